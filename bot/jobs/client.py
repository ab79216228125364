"""The bot's side of jobs: sends them, reads their events, cancels them. Commands and cards see no Redis key."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Literal, cast

import redis.asyncio
import structlog
from celery import Celery
from redis.asyncio.client import Pipeline
from redis.exceptions import RedisError

from bot.background import REPLY_S, BackgroundService, backoff, redis_call, retry, run_forever
from bot.jobs.decoding import card_of, entries, events_of, job_from, number_of
from bot.jobs.sweep import LostReason
from shared import keys, lifecycle, presence
from shared.connect import READ_BLOCK_MS
from shared.corpora.corpus import pack, unpack
from shared.events import Event, Failed
from shared.jobs import TRAIN_QUEUE, Job, TrainJob, is_id
from shared.logging import job_context
from shared.metrics import JOBS
from shared.queues import FIRST, FURTHER, RESUMED, TRANSPORT, id_of, lists_of, send
from shared.settings import Settings

TRAINING = f"{TrainJob.letter}-"  # what a training's id begins with
Cancelling = Literal["cancelled", "asked", "over"]
_TRY_AGAIN_S = 2.0
_MOST_PICTURE_BYTES = 8 * 2**20
_HAND_OVER_S = 60.0  # to make a text of a channel's pages, and to give it to its training
_MOST_KEPT = 20  # keys of a kind that `keep_newest` leaves: texts and chats that a server uploaded

log = structlog.get_logger()


@dataclass(frozen=True)
class StoredJob:
    """What Redis holds of a job."""

    job: Job
    card: tuple[int, int] | None  # channel id, message id; None: no card was posted yet
    entered_at: float  # seconds since the epoch


async def keep_newest(connection: redis.asyncio.Redis, pipe: Pipeline, index: str, key: str, ttl_s: int) -> None:
    """Note a key in a server's index with the pipe, run it, and delete the oldest keys if there are too many."""
    pipe.zadd(index, {key: time.time()})
    pipe.expire(index, ttl_s)
    pipe.zrange(index, 0, -1 - _MOST_KEPT)
    pipe.zremrangebyrank(index, 0, -1 - _MOST_KEPT)
    *_, oldest, _ = await redis_call(pipe.execute())
    if oldest := [name for name in oldest if b":" in name]:  # 1.0.0 noted hashes of texts, which expire by themselves
        await redis_call(connection.delete(*oldest))


class JobClient(BackgroundService):
    """Jobs in Redis and Celery. Any method raises redis.RedisError in an outage.

    A job whose submission raises is ended as soon as Redis can be reached, and nobody is shown that. If only its
    message could not be sent, it waits, and `Recovery` sends it again.
    """

    def __init__(self, settings: Settings, connection: redis.asyncio.Redis) -> None:
        self._redis = connection
        self._settings = settings
        self._news: dict[str, set[asyncio.Event]] = {}
        self._position: str | None = None
        self._celery = Celery("galvanic-bot", broker=settings.broker_url)
        self._celery.conf.update(
            task_serializer="json",
            task_ignore_result=True,
            broker_use_ssl=settings.redis_tls,
            broker_transport_options={**TRANSPORT, "socket_connect_timeout": 2, "socket_timeout": 5},
            broker_connection_timeout=2,
        )

    def start(self) -> None:
        """Listen for `news_of` jobs."""
        self.spawn(run_forever("listen", self._listen))

    # ------------------------------------------------------------------ entering jobs

    async def submit_train(self, job: TrainJob, text: str | None) -> bool:
        """Send a training; its text goes to Redis with it, compressed.

        `text` None: the channel is read first, and `text_read` follows. False: this job was entered before.
        """
        packed = b"" if text is None else await asyncio.to_thread(pack, text)
        if job.corpus.source == "upload":
            await self._keep_upload(job, packed)
        priority, nonce = await self._priority(job), lifecycle.new_nonce()
        entered = await self._enter(job, nonce, packed)
        if entered and not job.is_unread:
            await self._send(job, 1, nonce, priority)
        return entered

    async def _enter(self, job: Job, nonce: str, text: bytes = b"") -> bool:
        """Enter a job, with a training's packed text; False: it was entered before (the message came twice)."""
        try:
            answer = await self.run(lifecycle.enter(job, nonce, text))
        except RedisError:  # nobody knows whether it was carried out
            self.roll_back(job.job_id, nonce)
            raise
        if answer != b"entered":
            return False
        with job_context(job):
            log.info("job_entered", kind=job.kind)
        return True

    async def _priority(self, job: TrainJob) -> int:
        """Return the priority of a training's first attempt: servers take turns.

        Trainings whose channels are yet to be read don't count: they may wait for this one's channel.
        """
        active = cast(dict[bytes, bytes], await redis_call(self._redis.hgetall(keys.ACTIVE)))
        active.pop(job.job_id.encode(), None)
        guild_id = str(job.place.guild_id).encode()
        async with self._redis.pipeline(transaction=False) as pipe:
            for job_id in (other.decode(errors="replace") for other, guild in active.items() if guild == guild_id):
                pipe.hget(keys.job(job_id), "state")
            states = await redis_call(pipe.execute())
        return FURTHER if any(state != b"reading" for state in states) else FIRST

    async def _keep_upload(self, job: TrainJob, packed: bytes) -> None:
        """Keep an attached text for further trainings on it, and drop a server's oldest ones if there are too many."""
        guild_id = job.place.guild_id
        key = keys.upload(guild_id, job.corpus.sha256)
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.set(key, packed, ex=keys.UPLOAD_TTL_S)
            await keep_newest(self._redis, pipe, keys.uploads(guild_id), key, keys.UPLOAD_TTL_S)

    async def unread(self, job_id: str) -> TrainJob | None:
        """Return a training whose channel is still to be read; None: it was read, is over or unknown."""
        state = await redis_call(self._redis.hget(keys.job(job_id), "state"))
        stored = await self.load(job_id) if state == b"reading" else None
        return stored.job if stored is not None and isinstance(stored.job, TrainJob) else None

    async def text_read(self, job: TrainJob, prepare: Callable[[Pipeline], Awaitable[lifecycle.Script]]) -> bool:
        """Give a training the text of its channel, and send it; False: it was ended meanwhile.

        `prepare`: begins the transaction, adds to it what is to be written in the same step, and returns
        `lifecycle.text_read` with the text. It is called again if something changes that it watched. It raises to give
        up.
        """

        async def hand_over(pipe: Pipeline) -> None:
            if await redis_call(pipe.hget(keys.job(job.job_id), "state")) == b"reading":
                pipe.eval(*await prepare(pipe))
            else:  # it was ended, or the reply to the first try got lost
                pipe.multi()
                pipe.eval(*lifecycle.text_read(job, b"", b""))

        *_, nonce = await redis_call(self._redis.transaction(hand_over, keys.job(job.job_id)), _HAND_OVER_S)
        if nonce is None:
            return False
        await self._send(job, 1, nonce.decode(), await self._priority(job))
        return True

    async def replace_text(self, job: TrainJob, text: bytes, authors: bytes) -> Literal["waiting", "begun", "over"]:
        """Give a training another text, packed, because words of the first were withdrawn.

        `job`: with the length and hash of the new text. `authors`: as of `lifecycle.text_read`. Returns `begun`: a
        worker may have read the first text, so the training begins anew, and no model of the first text is registered;
        `over`: nothing was done, because the training has ended.
        """
        nonce = lifecycle.new_nonce()
        answer = await self._send_next(job, lifecycle.replace_text(job, text, authors, nonce), nonce)
        if answer.isdecimal():
            return "begun"
        return "waiting" if answer == "waiting" else "over"

    async def submit(self, job: Job, *, files: dict[str, bytes] | None = None) -> bool:
        """Send a job that is no training. Its message expires after `generate_timeout_s`.

        `files`: what the worker needs, by name. False: this job was entered before (the message came twice).
        """
        for name, data in (files or {}).items():
            ttl_s = 10 * self._settings.generate_timeout_s
            await redis_call(self._redis.set(keys.artifact(job.job_id, name), data, ex=ttl_s))
        nonce = lifecycle.new_nonce()
        if not await self._enter(job, nonce):
            return False
        await self._send(job, 1, nonce, RESUMED)
        return True

    async def _send(self, job: Job, attempt: int, nonce: str, priority: int) -> None:
        expires = None if isinstance(job, TrainJob) else self._settings.generate_timeout_s
        await asyncio.to_thread(send, self._celery, job, attempt, nonce, priority=priority, expires=expires)

    async def send_again(self, job_id: str, attempt: int, nonce: str, reason: LostReason) -> None:
        """Have a job wait again, and send its next attempt, unless it has changed meanwhile, or was cancelled."""
        stored = await self.load(job_id)
        # A month has passed, Redis lost what is known of it, or that is damaged.
        if stored is None or reason == "gone":
            if job_id.startswith(TRAINING):
                log.warning("training_closed", job_id=job_id)
            await redis_call(self._redis.hdel(keys.ACTIVE, job_id))
            return
        next_nonce = lifecycle.new_nonce()
        script = lifecycle.requeue(job_id, attempt, nonce, reason, next_nonce)
        with job_context(stored.job):
            if (await self._send_next(stored.job, script, next_nonce)).isdecimal():
                log.warning("job_sent_again", attempt=attempt, how=reason)

    async def _send_next(self, job: Job, script: lifecycle.Script, nonce: str) -> str:
        """Run a script that has a job wait again, and send the attempt that it answers; return the answer."""
        answer = (await self.run(script) or b"").decode()
        if answer == "cancelled":
            JOBS.labels(TRAIN_QUEUE, answer).inc()
        if answer.isdecimal():
            await self._send(job, int(answer), nonce, RESUMED)
        return str(answer)

    def roll_back(self, job_id: str, nonce: str = "") -> asyncio.Task[None]:
        """End a job, and show that to nobody, in the background: as soon as Redis can be reached.

        `nonce`: only if the call with this nonce has entered it. If the bot ends first, the job goes on after its next
        start, or its end is shown then.
        """
        event = Failed(problem="This could not be started.", remedy="Run the command again.")
        script = lifecycle.give_up(job_id, event.model_dump_json(), nonce)

        async def end() -> None:
            if await self.run(script) != b"not there":
                await self.delivered(job_id)

        return self.spawn(retry(end, "job_not_taken_back", pauses_s=backoff(most_s=_TRY_AGAIN_S)))

    # ------------------------------------------------------------------ ending jobs

    async def give_up(self, job: Job, event: Failed, outcome: str = "expired") -> bool:
        """End a job with an event that its person is shown; False: it had ended already."""
        if await self.run(lifecycle.give_up(job.job_id, event.model_dump_json())) != b"given up":
            return False
        JOBS.labels(job.kind, outcome).inc()
        return True

    async def cancel(self, job_id: str) -> Cancelling:
        """Cancel a training. One that waits ends at once, one that runs within a second.

        Returns `cancelled` if it waited, `asked` if its worker will end it, `over` if it had ended before.
        """
        outcome = cast(Cancelling, (await self.run(lifecycle.cancel(job_id))).decode())
        if outcome == "cancelled":
            JOBS.labels(TRAIN_QUEUE, outcome).inc()
            for name in lists_of(TRAIN_QUEUE):  # so that no worker begins a process for its message
                for message in await redis_call(self._redis.lrange(name, 0, -1)):
                    if (id_of(message) or "").rpartition("-")[0] == job_id:
                        await redis_call(self._redis.lrem(name, 0, message))
        return outcome

    async def finish(self, job_id: str) -> None:
        """Ask a training that has begun to end with the best so far. A request to cancel it is kept."""
        await redis_call(self._redis.set(keys.job_control(job_id), "finish", ex=keys.JOB_TTL_S, nx=True))

    async def control(self, job_id: str) -> str | None:
        """Return what a person last asked of a training: `cancel`, `finish` or None."""
        value = cast(bytes | None, await redis_call(self._redis.get(keys.job_control(job_id))))
        return None if value is None else value.decode()

    # ------------------------------------------------------------------ records, events and files

    async def load(self, job_id: str) -> StoredJob | None:
        """Return what is stored of a job; None: it has expired, or is damaged."""
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.get(keys.asked(job_id))
            pipe.hmget(keys.job(job_id), "card", "entered_at")
            data, (card, entered_at) = await redis_call(pipe.execute())
        job = job_from(job_id, data)
        return StoredJob(job, card_of(card), number_of(entered_at)) if job is not None else None

    async def set_card(self, job_id: str, card: tuple[int, int]) -> None:
        """Keep the ids of the channel and the message that show a training."""
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.hset(keys.job(job_id), "card", f"{card[0]}:{card[1]}")
            pipe.expire(keys.job(job_id), keys.JOB_TTL_S, nx=True)  # Redis may have lost the record
            await redis_call(pipe.execute())

    async def undelivered(self) -> set[str]:
        """Return the ids of the jobs whose end was not shown yet."""
        members = {member.decode(errors="replace") for member in await redis_call(self._redis.smembers(keys.OUTBOX))}
        return set(filter(is_id, members))

    async def delivered(self, job_id: str) -> None:
        """Note that a job's end was shown. If it made no model, the note of that model's owner is deleted."""
        state, model_id = await redis_call(self._redis.hmget(keys.job(job_id), "state", "model_id"))
        model = (model_id or b"").decode(errors="replace")
        if state == b"over" and is_id(model) and not await redis_call(self._redis.exists(keys.model(model))):
            await redis_call(self._redis.delete(keys.ownership(model)))
        await redis_call(self._redis.srem(keys.OUTBOX, job_id))

    async def events(self, job_id: str, after: str) -> list[tuple[str, Event]]:
        """Return the job's events after the entry `after` ("0": all), oldest first, each with its entry id."""
        return entries(job_id, await self.run(events_of(job_id, after)))

    async def artifact(self, job_id: str, name: str, most_bytes: int = _MOST_PICTURE_BYTES) -> bytes | None:
        """Return a file of the job's result; None: there is none, or it is larger than `most_bytes`."""
        data = cast(bytes, await redis_call(self._redis.getrange(keys.artifact(job_id, name), 0, most_bytes)))
        if len(data) > most_bytes:
            log.warning("file_too_large", job_id=job_id)
        return data if 0 < len(data) <= most_bytes else None

    async def drop_artifact(self, job_id: str, name: str) -> None:
        """Delete a file of a job's result, which was posted. Raises nothing in an outage: it expires by itself."""
        with suppress(RedisError):
            await redis_call(self._redis.delete(keys.artifact(job_id, name)))

    async def note_shown(self, message_id: int, job_id: str) -> None:
        """Keep which job's answer a message without controls shows. Raises nothing in an outage: it was posted."""
        try:
            await redis_call(self._redis.set(keys.shown(message_id), job_id, ex=keys.JOB_TTL_S))
        except RedisError as error:
            log.warning("shown_not_noted", job_id=job_id, message_id=message_id, error=type(error).__name__)

    async def shown_in(self, message_id: int) -> str | None:
        """Return the id of the job that `note_shown` kept for a message."""
        job_id = cast(bytes | None, await redis_call(self._redis.get(keys.shown(message_id))))
        return None if job_id is None else job_id.decode()

    # ------------------------------------------------------------------ texts of trainings

    async def upload(self, guild_id: int, sha256: str) -> str | None:
        """Return a text that was attached in a server; None: it has expired."""
        packed = cast(bytes | None, await redis_call(self._redis.get(keys.upload(guild_id, sha256))))
        return None if packed is None else await asyncio.to_thread(unpack, packed)

    async def channel_text(self, job_id: str) -> tuple[str, bytes] | None:
        """Return the text of a channel that a training learns, and its lines' authors; None: the training is over."""
        packed, authors = await redis_call(self._redis.mget(keys.job_text(job_id), keys.job_authors(job_id)))
        if packed is None or authors is None:
            return None
        return await asyncio.to_thread(unpack, packed), authors

    async def renew(self, job_id: str) -> None:
        """Keep a training that goes on, and its text, for another month: it may wait for long."""
        named = keys.job_text, keys.job_authors, keys.asked, keys.job, keys.job_events
        async with self._redis.pipeline(transaction=True) as pipe:
            for name in named:
                pipe.expire(name(job_id), keys.JOB_TTL_S)
            await redis_call(pipe.execute())

    # ------------------------------------------------------------------ news of jobs

    @contextmanager
    def news_of(self, job_id: str) -> Iterator[asyncio.Event]:
        """Give an event that is set when there is news of a job."""
        news = asyncio.Event()
        self._news.setdefault(job_id, set()).add(news)
        try:
            yield news
        finally:
            self._news[job_id].discard(news)
            if not self._news[job_id]:
                del self._news[job_id]

    async def _listen(self) -> None:
        position, self._position = self._position, None
        if position is None:  # there may have been news while nobody listened
            newest = await redis_call(self._redis.xrevrange(keys.NOTIFICATIONS, count=1))
            self._position, job_ids = newest[0][0].decode() if newest else "0-0", set(self._news)
        else:
            read = self._redis.xread({keys.NOTIFICATIONS: position}, block=READ_BLOCK_MS, count=500)
            streams = await redis_call(read, READ_BLOCK_MS / 1_000 + REPLY_S)
            notes = streams.get(keys.NOTIFICATIONS.encode(), []) if streams else []
            self._position = notes[-1][0].decode() if notes else position
            job_ids = {fields.get(b"job", b"").decode() for _, fields in notes}
        for news in (news for job_id in job_ids for news in self._news.get(job_id, ())):
            news.set()

    async def has_worker(self, queue: str) -> bool:
        """Return whether any worker serves `queue`.

        Raises redis.RedisError, also if Redis takes no writes, because then no worker can say that it is there.
        """
        if await redis_call(presence.alive_async(self._redis, queue)):
            return True
        await redis_call(self._redis.set(keys.PROBE, "1", ex=60))
        return False

    async def run(self, script: lifecycle.Script) -> Any:
        return await redis_call(self._redis.eval(*script))


def card_nonce(job_id: str, before: int = 0) -> str:
    """Return the nonce by which Discord takes a training's card once. `before`: id of the card that it replaces."""
    return f"{job_id}-{before % 1_000}"[-25:]
