"""The bot's side of jobs: sends them, watches their events, cancels them. Commands and cards see no Redis key."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass
from typing import Any, Literal, cast

import redis.asyncio
import structlog
from celery import Celery
from pydantic import ConfigDict, TypeAdapter
from redis.exceptions import RedisError

from bot.redis_reply import REPLY_S, reply
from shared import keys, presence, turns
from shared.connect import READ_BLOCK_MS
from shared.corpora import pack, unpack, unpacked_limit
from shared.events import Cancelled, Event, Queued, parse_event
from shared.jobs import DeleteJob, Job, TrainJob, task_of
from shared.settings import Settings

TRAINING = "t-"
"""What a training's id begins with."""
Entry = Literal["entered", "known", "user", "guild"]
Cancelling = Literal["cancelled", "asked", "over"]

log = structlog.get_logger()
_job: TypeAdapter[Job] = TypeAdapter(Job, config=ConfigDict(hide_input_in_errors=True))


@dataclass(frozen=True)
class StoredJob:
    """A job as Redis keeps it: the message, and where its card is (channel id, message id) once there is one."""

    job: Job
    card: tuple[int, int] | None


class JobQueue:
    """Jobs in Redis and Celery. Any method raises `redis.RedisError` or `kombu`'s OperationalError in an outage."""

    def __init__(self, settings: Settings, client: redis.asyncio.Redis) -> None:
        self._redis = client
        self._ttl_s = int(settings.corpus_ttl_hours * 3600)
        self._text_limit = unpacked_limit(settings)
        self._generate_timeout_s = settings.generate_timeout_s
        self._file_ttl_s = 10 * settings.generate_timeout_s
        self._celery = Celery("galvanic-bot", broker=settings.broker_url)
        self._celery.conf.update(
            task_serializer="json",
            task_ignore_result=True,
            broker_transport_options={"socket_connect_timeout": 2, "socket_timeout": 5},
            broker_connection_timeout=2,
        )

    async def submit_train(self, job: TrainJob, text: str, card: tuple[int, int], limits: tuple[int, int]) -> Entry:
        """Send a training; its text goes to Redis, compressed and expiring.

        Args:
            job: the training.
            text: what it is to learn.
            card: channel and message that show it.
            limits: trainings that may be active at once: of this person in the server, and of all its members.

        Returns:
            `entered`; `known` when this very job is there already (the same message delivered twice); `user` or
            `guild` when their limit is reached. Two that come at once cannot both pass a limit.
        """
        packed = await asyncio.to_thread(pack, text)
        await reply(self._redis.set(keys.corpus(job.corpus.sha256), packed, ex=self._ttl_s))
        entry = cast(bytes, await self._run(turns.enter(job, card, limits, Queued().model_dump_json())))
        if entry == b"entered":
            await self._send(job)
        return cast(Entry, entry.decode())

    async def text(self, sha256: str) -> str | None:
        """A text that was sent with an earlier training, None when it has expired.

        Raises:
            UserError: it is damaged.
        """
        packed = cast(bytes | None, await reply(self._redis.get(keys.corpus(sha256))))
        return None if packed is None else await asyncio.to_thread(unpack, packed, self._text_limit)

    async def submit(self, job: Job, *, files: dict[str, bytes] | None = None) -> bool:
        """Send a job that is no training; one that somebody waits for expires unread after `generate_timeout_s`.

        Args:
            job: what is asked for.
            files: files that the worker needs, by name.

        Returns:
            False when this very job is known already (the same message delivered twice).
        """
        for name, data in (files or {}).items():
            await reply(self._redis.set(keys.artifact(job.job_id, name), data, ex=self._file_ttl_s))
        if not await self._enter(job):
            return False
        await self._send(job, expires=None if isinstance(job, DeleteJob) else self._generate_timeout_s)
        return True

    async def _enter(self, job: Job) -> bool:
        if not await reply(self._redis.hsetnx(keys.job(job.job_id), "job", job.model_dump_json())):
            return False
        async with self._redis.pipeline() as pipe:
            pipe.expire(keys.job(job.job_id), keys.JOB_TTL_S)
            pipe.sadd(keys.UNDELIVERED, job.job_id)
            pipe.xadd(keys.job_events(job.job_id), {"event": Queued().model_dump_json()}, id=turns.FIRST_EVENT)
            pipe.expire(keys.job_events(job.job_id), keys.JOB_TTL_S)
            await reply(pipe.execute())
        return True

    async def _send(self, job: Job, expires: int | None = None) -> None:
        try:
            await self._message(job, job.job_id, expires)
        except Exception:
            try:
                undone = await self.forget(job)
            except RedisError as error:
                log.warning("job_not_forgotten", job_id=job.job_id, error=type(error).__name__)
                raise
            if undone:
                raise
            # Another training's token has claimed it already; `nudge` will make up for that one.
            log.warning("token_not_sent", job_id=job.job_id)

    async def _message(self, job: Job, message_id: str, expires: int | None = None) -> None:
        task, queue = task_of(job)
        await asyncio.to_thread(
            self._celery.send_task,
            task,
            kwargs={"job": job.model_dump(mode="json")},
            # Else the words that a person wrote would travel once more, in a header that Celery may log.
            kwargsrepr=job.job_id,
            task_id=message_id,
            queue=queue,
            expires=expires,
            ignore_result=True,
            retry=False,
        )

    async def nudge(self, job: TrainJob) -> None:
        """Send a spare token for a training that waits although workers are idle: its own one was lost."""
        await self._message(job, f"spare-{secrets.token_hex(8)}")

    async def forget(self, job: Job) -> bool:
        """Undo a submission that did not reach the queue.

        Returns:
            False: it is a training that a worker has claimed all the same; nothing was undone.
        """
        if isinstance(job, TrainJob) and not await reply(self._redis.zrem(keys.WAITING, job.job_id)):
            return False
        async with self._redis.pipeline() as pipe:
            pipe.delete(keys.job(job.job_id), keys.job_events(job.job_id))
            pipe.srem(keys.UNDELIVERED, job.job_id)
            pipe.hdel(keys.ACTIVE, job.job_id)
            await reply(pipe.execute())
        return True

    async def cancel(self, job_id: str) -> Cancelling:
        """Ask for the end of a training: of the running one within a second, of a waiting one at once.

        Returns:
            `cancelled`: it waited, and is over; `asked`: its worker will read the request; `over`: it was already.
        """
        answer = await self._run(turns.cancel(job_id, Cancelled().model_dump_json()))
        return cast(Cancelling, cast(bytes, answer).decode())

    async def finish(self, job_id: str) -> None:
        """Ask a training that has begun to end with the best so far. A request to cancel it is kept."""
        await reply(self._redis.set(keys.job_control(job_id), "finish", ex=keys.JOB_TTL_S, nx=True))

    async def wish(self, job_id: str) -> str | None:
        """What was asked of a training: `cancel`, `finish` or nothing."""
        value = cast(bytes | None, await reply(self._redis.get(keys.job_control(job_id))))
        return None if value is None else value.decode()

    async def load(self, job_id: str) -> StoredJob | None:
        """A job by its id, or None when it is not (or no longer) known."""
        fields = cast(dict[bytes, bytes], await reply(self._redis.hgetall(keys.job(job_id))))
        if b"job" not in fields:
            return None
        return StoredJob(_job.validate_json(fields[b"job"]), card_of(fields.get(b"card")))

    async def keep_text(self, job: TrainJob) -> None:
        """Let the text of a job that is not over live on: it may wait for a worker longer than texts are kept."""
        await reply(self._redis.expire(keys.corpus(job.corpus.sha256), self._ttl_s))

    async def set_card(self, job_id: str, card: tuple[int, int]) -> None:
        """Remember the message that shows a job."""
        await reply(self._redis.hset(keys.job(job_id), "card", f"{card[0]}:{card[1]}"))

    async def undelivered(self) -> list[str]:
        """Ids of the jobs whose end has not been shown yet."""
        return sorted(member.decode() for member in await reply(self._redis.smembers(keys.UNDELIVERED)))

    async def delivered(self, job_id: str) -> None:
        """The person has seen how the job ended, or there is nowhere left to show it."""
        await reply(self._redis.srem(keys.UNDELIVERED, job_id))

    async def close(self, job_id: str) -> None:
        """Take a training that is over from all that counts it: an older version's worker did not."""
        await self._run(turns.close(job_id))

    async def adopt(self, job: TrainJob) -> None:
        """Count a training that an older version of the bot entered, unless it is over."""
        await self._run(turns.adopt(job))

    async def events(self, job_id: str, after: str) -> list[tuple[str, Event]]:
        """The job's events after the entry `after` ("0" for all), oldest first, each with its entry id."""
        start = f"({after}" if after != "0" else "-"
        entries = await reply(self._redis.xrange(keys.job_events(job_id), start))
        return [(entry.decode(), parse_event(fields[b"event"])) for entry, fields in entries]

    async def listen(self, last: str) -> tuple[str, set[str]]:
        """Wait up to two seconds for news. Returns the doorbell's new position and the ids of jobs with news."""
        read = self._redis.xread({keys.DOORBELL: last}, block=READ_BLOCK_MS, count=500)
        streams = await reply(read, READ_BLOCK_MS / 1_000 + REPLY_S)
        entries = streams.get(keys.DOORBELL.encode(), []) if streams else []
        return (entries[-1][0].decode() if entries else last), {fields[b"job"].decode() for _, fields in entries}

    async def doorbell_position(self) -> str:
        """The doorbell's newest entry, to `listen` from."""
        newest = await reply(self._redis.xrevrange(keys.DOORBELL, count=1))
        return newest[0][0].decode() if newest else "0-0"

    async def artifact(self, job_id: str, name: str) -> bytes | None:
        """A file of the job's result."""
        return cast(bytes | None, await reply(self._redis.get(keys.artifact(job_id, name))))

    async def has_worker(self, queue: str) -> bool:
        """Whether any worker serves `queue` now."""
        return bool(await reply(presence.alive_async(self._redis, queue)))

    async def _run(self, script: turns.Script) -> Any:
        text, count, rest = script.call
        return await reply(self._redis.eval(text, count, *rest))


def card_of(value: bytes | None) -> tuple[int, int] | None:
    """Channel and message as a job's hash keeps them."""
    if value is None:
        return None
    channel_id, message_id = value.decode().split(":")
    return int(channel_id), int(message_id)
