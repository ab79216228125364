"""The bot's side of jobs: sends them, watches their events, cancels them. Commands and cards see no Redis key."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import cast

import redis.asyncio
import structlog
from celery import Celery
from pydantic import TypeAdapter
from redis.exceptions import RedisError, ResponseError

from bot.redis_reply import REPLY_S, reply
from shared import keys, presence
from shared.connect import READ_BLOCK_MS
from shared.corpora import pack, unpack, unpacked_limit
from shared.events import Cancelled, Event, Queued, parse_event
from shared.jobs import TRAIN_QUEUE, DeleteJob, Job, TrainJob, task_of
from shared.settings import Settings

log = structlog.get_logger()
_job: TypeAdapter[Job] = TypeAdapter(Job)


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

    async def submit_train(self, job: TrainJob, text: str, card: tuple[int, int]) -> bool:
        """Send a training; its text goes to Redis, compressed and expiring.

        Returns:
            False when this very job is known already (the same message delivered twice).
        """
        packed = await asyncio.to_thread(pack, text)
        await reply(self._redis.set(keys.corpus(job.corpus.sha256), packed, ex=self._ttl_s))
        if not await self._enter(job, card):
            return False
        await reply(self._redis.zadd(keys.WAITING, {job.job_id: time.time()}))
        await self._send(job)
        return True

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
        if not await self._enter(job, None):
            return False
        await self._send(job, expires=None if isinstance(job, DeleteJob) else self._generate_timeout_s)
        return True

    async def _enter(self, job: Job, card: tuple[int, int] | None) -> bool:
        if not await reply(self._redis.hsetnx(keys.job(job.job_id), "job", job.model_dump_json())):
            return False
        async with self._redis.pipeline() as pipe:
            if card is not None:
                pipe.hset(keys.job(job.job_id), "card", f"{card[0]}:{card[1]}")
            pipe.expire(keys.job(job.job_id), keys.JOB_TTL_S)
            pipe.sadd(keys.UNDELIVERED, job.job_id)
            pipe.xadd(keys.job_events(job.job_id), {"event": Queued().model_dump_json()}, id="0-1")
            pipe.expire(keys.job_events(job.job_id), keys.JOB_TTL_S)
            await reply(pipe.execute())
        return True

    async def _send(self, job: Job, expires: int | None = None) -> None:
        task, queue = task_of(job)
        try:
            await asyncio.to_thread(
                self._celery.send_task,
                task,
                kwargs={"job": job.model_dump(mode="json")},
                task_id=job.job_id,
                queue=queue,
                expires=expires,
                ignore_result=True,
                retry=False,
            )
        except Exception:
            try:
                await self.forget(job.job_id)
            except RedisError as error:
                log.warning("job_not_forgotten", job_id=job.job_id, error=type(error).__name__)
            raise

    async def forget(self, job_id: str) -> None:
        """Undo a submission that did not reach the queue."""
        async with self._redis.pipeline() as pipe:
            pipe.delete(keys.job(job_id), keys.job_events(job_id))
            pipe.srem(keys.UNDELIVERED, job_id)
            pipe.zrem(keys.WAITING, job_id)
            await reply(pipe.execute())

    async def cancel(self, job_id: str) -> bool:
        """Ask for the end of a job: of the running one within a second, of a waiting one at once.

        Returns:
            Whether it takes effect now; False: a worker had begun it and none is there, so it ends when one is back.
        """
        await reply(self._redis.set(keys.job_control(job_id), "cancel", ex=keys.JOB_TTL_S))
        try:
            # Redis takes this entry only as long as no worker has spoken (their ids begin at 1-1).
            event = Cancelled().model_dump_json()
            await reply(self._redis.xadd(keys.job_events(job_id), {"event": event}, id="0-2"))
        except ResponseError as error:
            if "equal or smaller" not in str(error):
                raise
            return await self.has_worker(TRAIN_QUEUE)  # the worker reads the wish
        await reply(self._redis.zrem(keys.WAITING, job_id))
        await reply(self._redis.xadd(keys.DOORBELL, {"job": job_id}, maxlen=10_000))
        return True

    async def load(self, job_id: str) -> StoredJob | None:
        """A job by its id, or None when it is not (or no longer) known."""
        fields = cast(dict[bytes, bytes], await reply(self._redis.hgetall(keys.job(job_id))))
        if b"job" not in fields:
            return None
        card = fields.get(b"card")
        where = None
        if card is not None:
            channel_id, message_id = card.decode().split(":")
            where = (int(channel_id), int(message_id))
        return StoredJob(_job.validate_json(fields[b"job"]), where)

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
        """The person has seen how the job ended."""
        await reply(self._redis.srem(keys.UNDELIVERED, job_id))
        await reply(self._redis.zrem(keys.WAITING, job_id))

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

    async def position(self, job_id: str) -> int | None:
        """Trainings waiting before this one; None when it is not waiting."""
        return cast(int | None, await reply(self._redis.zrank(keys.WAITING, job_id)))

    async def artifact(self, job_id: str, name: str) -> bytes | None:
        """A file of the job's result."""
        return cast(bytes | None, await reply(self._redis.get(keys.artifact(job_id, name))))

    async def has_worker(self, queue: str) -> bool:
        """Whether any worker serves `queue` now."""
        return bool(await reply(presence.alive_async(self._redis, queue)))
