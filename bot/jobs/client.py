"""The bot's side of jobs: sends them, reads their events, cancels them. Commands and cards see no Redis key."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, cast

import redis.asyncio
import structlog
from celery import Celery
from redis.asyncio.client import Pipeline
from redis.exceptions import RedisError

from bot.background import REPLY_S, Tasks, backoff, reply, retry
from bot.jobs import fairness, retention
from bot.jobs.decoding import NotUnderstood, card_of, entries, events_of, job_from, understood
from shared import keys, lifecycle, messages, presence
from shared.connect import READ_BLOCK_MS
from shared.corpora import pack, unpack, unpacked_limit
from shared.events import Event, Failed
from shared.jobs import GENERATE_QUEUE, DeleteJob, Job, TrainJob
from shared.settings import Settings

TRAINING = "t-"  # what a training's id begins with
Entry = Literal["entered", "known", "user", "guild"]
Cancelling = Literal["cancelled", "asked", "over"]
DELETED_WITHIN_S = 15 * 60
"""A deletion that takes longer was lost, and is sent again. Its message expires then, so there is never more than one
that a worker still takes."""
_TRY_AGAIN_S = 2.0
_MOST_PICTURE_BYTES = 8 * 2**20

log = structlog.get_logger()


@dataclass(frozen=True)
class StoredJob:
    job: Job
    card: tuple[int, int] | None  # channel id, message id; None: there is none yet


class JobClient:
    """Jobs in Redis and Celery. Any method raises `redis.RedisError` or `kombu`'s OperationalError in an outage.

    A job whose submission raises is rolled back: at once, or as soon as Redis can be reached.
    """

    def __init__(
        self,
        settings: Settings,
        client: redis.asyncio.Redis,
        ended: Callable[[str, str], None] = lambda _kind, _outcome: None,
    ) -> None:
        """`ended` hears of jobs that end without a worker: their kind, and how."""
        self._redis = client
        self._settings = settings
        self._ended = ended
        self._text_limit = unpacked_limit(settings)
        self._generate_timeout_s = settings.generate_timeout_s
        self._file_ttl_s = 10 * settings.generate_timeout_s
        self._tasks = Tasks()
        self._celery = Celery("galvanic-bot", broker=settings.broker_url)
        self._celery.conf.update(
            task_serializer="json",
            task_ignore_result=True,
            broker_use_ssl=settings.redis_tls,
            broker_transport_options={"socket_connect_timeout": 2, "socket_timeout": 5},
            broker_connection_timeout=2,
        )

    async def warm(self) -> None:
        """Load what Celery would load with its first message; needs no Redis."""

        def load() -> None:
            _ = self._celery.tasks, self._celery.amqp.producer_pool
            with self._celery.connection_for_write() as connection:
                _ = connection.transport

        await asyncio.to_thread(load)

    async def submit_train(
        self,
        job: TrainJob,
        text: str | None,
        card: tuple[int, int] | None,
        limits: tuple[int, int],
        *,
        entry: str | None = None,
    ) -> Entry:
        """Send a training; its text goes to Redis, compressed and expiring.

        `text` None: a channel's messages, which lie in Redis already (`corpus.transcript`). `card` None: `set_card`
        tells later. `limits`: how many may be active at once: of this person in the server, and of all its members; two
        that come at once cannot both pass one. `entry`: idempotency key of a caller that repeats this call until it
        succeeds; then nothing is rolled back when a reply is lost.

        Returns `entered`; `known` when this very job is there already (the same message delivered twice); `user` or
        `guild` when their limit is reached.
        """
        if text is None:
            await self.keep_text(job)
        else:
            packed = await asyncio.to_thread(pack, text)
            ttl_s = retention.needed_s(job.corpus, self._settings)
            await reply(self._redis.set(keys.corpus(job.corpus.sha256), packed, ex=ttl_s))
        name = entry or secrets.token_hex(8)
        verdict: fairness.Limit | None = None

        async def admit(pipe: Pipeline) -> None:
            nonlocal verdict
            verdict = None
            if not await reply(pipe.hexists(keys.job(job.job_id), "job")):
                active = map(fairness.Owner.of, await reply(pipe.hvals(keys.ACTIVE)))
                verdict = fairness.refused(active, fairness.Owner(job.place.guild_id, job.place.user_id), limits)
            served = fairness.served_from(await reply(pipe.hgetall(keys.SERVED)))
            pipe.multi()
            if verdict is None:
                text, count, rest = lifecycle.enter(job, name, card=card, arrived=fairness.virtual_time(served)).call
                pipe.eval(text, count, *rest)

        try:
            answer = await reply(self._redis.transaction(admit, keys.ACTIVE, keys.job(job.job_id)))
        except RedisError:  # nobody knows whether it was carried out
            if entry is None:
                self._roll_back_later(job.job_id, name)
            raise
        return verdict or self._entered(job, cast(Entry, answer[0].decode()))

    async def text(self, sha256: str) -> str | None:
        """A text sent with an earlier training; None: it has expired. Raises UserError if it is damaged."""
        packed = cast(bytes | None, await reply(self._redis.get(keys.corpus(sha256))))
        return None if packed is None else await asyncio.to_thread(unpack, packed, self._text_limit)

    async def submit(self, job: Job, *, files: dict[str, bytes] | None = None) -> bool:
        """Send a job that is no training; it expires unread: after `generate_timeout_s` if somebody waits for it.

        `files`: what the worker needs, by name. False: this very job is known already (the message came twice).
        """
        for name, data in (files or {}).items():
            await reply(self._redis.set(keys.artifact(job.job_id, name), data, ex=self._file_ttl_s))
        entry, nonce = secrets.token_hex(8), lifecycle.new_nonce()
        try:
            answer = await self._run(lifecycle.enter(job, entry, nonce))
        except RedisError:
            self._roll_back_later(job.job_id, entry)
            raise
        if self._entered(job, answer.decode()) != "entered":
            return False
        try:
            await self._message(job, 1, nonce)
        except Exception:
            try:
                await self._run(lifecycle.roll_back(job.job_id, entry, cancel=False))
            except RedisError:
                self._roll_back_later(job.job_id, entry)
            raise
        return True

    def _entered(self, job: Job, answer: Entry) -> Entry:
        if answer == "entered":
            place = job.place
            where = {"guild_id": place.guild_id, "channel_id": place.channel_id}
            log.info("job_entered", job_id=job.job_id, kind=job.kind, **where)
        return answer

    async def roll_back(self, job_id: str) -> None:
        """Roll back a job of which nobody was told: at once, or as soon as Redis can be reached.

        A training that a worker has begun is cancelled. Raises nothing in an outage.
        """
        try:
            await self._run(lifecycle.roll_back(job_id, cancel=True))
        except RedisError:
            self._roll_back_later(job_id, "")

    async def give_up(self, job: Job, event: Failed) -> bool:
        """End a job that took too long with the event that its person is told; False: it had ended already."""
        if await self._run(lifecycle.give_up(job.job_id, event.model_dump_json())) != b"given up":
            return False
        self._ended(job.kind, "expired")
        return True

    def _roll_back_later(self, job_id: str, entry: str) -> None:
        """Should the bot end first, the job stays, and is shown and goes on after the next start."""

        async def undo() -> bytes:
            return cast(bytes, await self._run(lifecycle.roll_back(job_id, entry, cancel=True)))

        async def insist() -> None:
            found = await retry(undo, "job_not_taken_back", pauses_s=backoff(most_s=_TRY_AGAIN_S))
            log.info("job_taken_back", job_id=job_id, found=found.decode())

        self._tasks.spawn(insist())

    async def _message(self, job: Job, attempt: int, nonce: str) -> None:
        expires = DELETED_WITHIN_S if isinstance(job, DeleteJob) else self._generate_timeout_s
        await self.send(job.kind, job.job_id, attempt, nonce, messages.shadow(job), expires)

    async def send(
        self, kind: str, job_id: str, attempt: int, nonce: str, shadow: str, expires: int | None = None
    ) -> None:
        """See `messages.send`."""
        await asyncio.to_thread(
            messages.send, self._celery, kind, job_id, attempt, nonce, shadow=shadow, expires=expires
        )

    async def cancel(self, job_id: str) -> Cancelling:
        """Ask for the end of a training: of the running one within a second, of a waiting one at once.

        `cancelled`: it waited, and is over; `asked`: its worker will read the request; `over`: it was already.
        """
        outcome = cast(Cancelling, (await self._run(lifecycle.cancel(job_id))).decode())
        if outcome == "cancelled":
            self._ended("train", outcome)
        return outcome

    async def finish(self, job_id: str) -> None:
        """Ask a training that has begun to end with the best so far. A request to cancel it is kept."""
        await reply(self._redis.set(keys.job_control(job_id), "finish", ex=keys.JOB_TTL_S, nx=True))

    async def control(self, job_id: str) -> str | None:
        """What was asked of a training: `cancel`, `finish` or nothing."""
        value = cast(bytes | None, await reply(self._redis.get(keys.job_control(job_id))))
        return None if value is None else value.decode()

    async def load(self, job_id: str) -> StoredJob | None:
        """None: it is not (or no longer) known. Raises NotUnderstood if another version wrote it."""
        fields = cast(dict[bytes, bytes], await reply(self._redis.hgetall(keys.job(job_id))))
        if b"job" not in fields:
            return None
        return StoredJob(job_from(job_id, fields[b"job"]), card_of(fields.get(b"card")))

    async def knows(self, job_id: str) -> bool:
        """Whether a job is in Redis, even if this version cannot read it."""
        return bool(await reply(self._redis.hexists(keys.job(job_id), "job")))

    async def keep_text(self, job: TrainJob) -> None:
        """Extend the life of a job's text: the job may wait for a worker longer than texts are kept."""
        ttl_s = retention.needed_s(job.corpus, self._settings)
        async with self._redis.pipeline(transaction=True) as pipe:
            for key in retention.text_keys(job.corpus):
                pipe.expire(key, ttl_s)
            await reply(pipe.execute())

    async def release_text(self, job: TrainJob) -> None:
        """A training is over: keep a channel's words for some days more, unless another one needs them."""
        if (script := retention.release(job, self._settings)) is not None:
            await self._run(script)

    async def set_card(self, job_id: str, card: tuple[int, int]) -> None:
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.hset(keys.job(job_id), "card", f"{card[0]}:{card[1]}")
            pipe.expire(keys.job(job_id), keys.JOB_TTL_S, nx=True)  # it may have been taken back meanwhile
            await reply(pipe.execute())

    async def card(self, job_id: str) -> tuple[int, int] | None:
        """Where the card of a job is, whatever version wrote the job."""
        return card_of(cast(bytes | None, await reply(self._redis.hget(keys.job(job_id), "card"))))

    async def undelivered(self) -> list[str]:
        return sorted(member.decode() for member in await reply(self._redis.smembers(keys.OUTBOX)))

    async def awaits_delivery(self, job_id: str) -> bool:
        return bool(await reply(self._redis.sismember(keys.OUTBOX, job_id)))

    async def delivered(self, *job_ids: str) -> None:
        await reply(self._redis.srem(keys.OUTBOX, *job_ids))

    async def events(self, job_id: str, after: str) -> list[tuple[str, Event]]:
        """The job's events after the entry `after` ("0": all), oldest first, each with its entry id."""
        stored = entries(await self._run(events_of(job_id, after)))
        found = ((entry, understood(job_id, fields)) for entry, fields in stored)
        return [(entry, event) for entry, event in found if event is not None]

    async def entered_at(self, job_id: str) -> float | None:
        """Seconds since the epoch; None: nothing is known of it any more.

        Raises NotUnderstood if another version wrote it.
        """
        first = entries(await self._run(events_of(job_id, count=1)))
        if not first:
            return None
        event = understood(job_id, first[0][1])
        if event is None:
            raise NotUnderstood("event")
        return event.at

    async def listen(self, last: str) -> tuple[str, set[str]]:
        """Wait up to two seconds for notifications; the new position, and the ids of jobs with news."""
        read = self._redis.xread({keys.NOTIFICATIONS: last}, block=READ_BLOCK_MS, count=500)
        streams = await reply(read, READ_BLOCK_MS / 1_000 + REPLY_S)
        entries = streams.get(keys.NOTIFICATIONS.encode(), []) if streams else []
        job_ids = {fields[b"job"].decode() for _, fields in entries if b"job" in fields}
        return (entries[-1][0].decode() if entries else last), job_ids

    async def listening_position(self) -> str:
        """The newest notification, to `listen` from."""
        newest = await reply(self._redis.xrevrange(keys.NOTIFICATIONS, count=1))
        return newest[0][0].decode() if newest else "0-0"

    async def artifact(self, job_id: str, name: str, most_bytes: int = _MOST_PICTURE_BYTES) -> bytes | None:
        """A file of the job's result; None: there is none, or it is larger than that."""
        data = cast(bytes, await reply(self._redis.getrange(keys.artifact(job_id, name), 0, most_bytes)))
        if len(data) > most_bytes:
            log.warning("file_too_large", job_id=job_id)
        return data if 0 < len(data) <= most_bytes else None

    async def send_if_lost(self, job_id: str) -> bool:
        """Send a job that is no training again, if its worker is gone, or it is nowhere at all; whether it was.

        Raises redis.RedisError or kombu.exceptions.OperationalError when Redis cannot be reached.
        """
        alive = await reply(presence.alive_async(self._redis, GENERATE_QUEUE))
        if not alive:
            return False  # the next worker finds it in the queue, or is asked then
        async with self._redis.pipeline(transaction=False) as pipe:
            pipe.hmget(keys.job(job_id), "job", "state", "attempt", "nonce", "worker")
            pipe.llen(GENERATE_QUEUE)
            (data, state, *attempt, worker), waiting = await reply(pipe.execute())
        if data is None or None in attempt or (worker.decode() in alive if worker is not None else waiting):
            return False
        nonce = lifecycle.new_nonce()
        await self._run(lifecycle.requeue(job_id, int(attempt[0]), attempt[1].decode(), "lapsed"))
        number = await self._run(lifecycle.send_again(job_id, nonce))
        if number is None:  # it has just ended
            return False
        log.warning("asked_again", job_id=job_id, state=state.decode())
        await self._message(job_from(job_id, data), int(number), nonce)
        return True

    async def has_worker(self, queue: str) -> bool:
        """Whether any worker serves `queue` now.

        Raises redis.RedisError when Redis cannot be reached, or takes nothing, so that no worker can register.
        """
        if await reply(presence.alive_async(self._redis, queue)):
            return True
        await reply(self._redis.set(keys.PROBE, "1", ex=60))
        return False

    async def _run(self, script: lifecycle.Script) -> Any:
        text, count, rest = script.call
        return await reply(self._redis.eval(text, count, *rest))


def card_nonce(job_id: str, before: int = 0) -> str:
    """By this Discord knows that a training's card was posted already. `before`: id of the card to replace."""
    return f"{job_id}-{before % 1_000}"[-25:]
