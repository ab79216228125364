"""What a member asked for and Redis still knows, for a month: found without holding up the bot, and deleted."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass
from typing import Any, cast

import redis.asyncio
import structlog

from bot.jobs.understanding import NotUnderstood, job_from
from bot.redis_reply import reply
from shared import keys
from shared.jobs import CARD_FILE, LOSS_FILE, MODEL_FILE, SURPRISE_FILE, DeleteJob, Job, TrainJob, author_of

MOST_KEPT = 20_000
"""Requests of one person that are handed out; of more there is no memory to hold them."""
_KEYS_AT_ONCE = 500
_FILES = (CARD_FILE, LOSS_FILE, MODEL_FILE, SURPRISE_FILE)

log = structlog.get_logger()


@dataclass
class Requests:
    """A person's requests.

    Attributes:
        jobs: trainings included.
        unread: how many another version of the bot wrote, so that this one cannot tell what they are.
        left_out: how many were more than `MOST_KEPT`.
    """

    jobs: list[Job]
    unread: int = 0
    left_out: int = 0


async def requests_of(client: redis.asyncio.Redis, user_id: int) -> Requests:
    """All requests of a person, and of others with their words.

    Raises:
        redis.RedisError: Redis cannot be reached.
    """
    found = Requests([])
    async for job_id, data in _jobs(client, user_id):
        try:
            job = job_from(job_id, data)
        except NotUnderstood:
            log.warning("job_not_understood", job_id=job_id)
            found.unread += 1
            continue
        if user_id not in (job.place.user_id, author_of(job)):
            continue
        if len(found.jobs) < MOST_KEPT:
            found.jobs.append(job)
        else:
            found.left_out += 1
    return found


async def forget_requests(client: redis.asyncio.Redis, user_id: int, guild_ids: Collection[int]) -> int:
    """Delete what a person asked for in these servers, and others with that person's words; with the answers.

    Trainings stay: they hold no words of theirs, and their models need them. So does what is being answered now.

    Returns:
        How many.

    Raises:
        redis.RedisError: Redis cannot be reached.
    """
    deleted = 0
    async for job_id, data in _jobs(client, user_id):
        try:
            job = job_from(job_id, data)
        except NotUnderstood:
            log.warning("job_not_understood", job_id=job_id)
            continue
        if user_id not in (job.place.user_id, author_of(job)) or job.place.guild_id not in guild_ids:
            continue
        if isinstance(job, TrainJob | DeleteJob) or await reply(client.sismember(keys.UNDELIVERED, job_id)):
            continue
        files = [keys.artifact(job_id, name) for name in _FILES]
        await reply(client.delete(keys.job(job_id), keys.job_events(job_id), keys.job_control(job_id), *files))
        deleted += 1
    return deleted


async def _jobs(client: redis.asyncio.Redis, user_id: int) -> AsyncIterator[tuple[str, bytes]]:
    """Ids and contents of all jobs that name a person, whatever for."""
    name = str(user_id).encode()
    cursor, seen = 0, set[bytes]()
    while True:
        scan = client.scan(cursor, match=keys.job_pattern(), count=_KEYS_AT_ONCE, _type="hash")
        cursor, found = cast(tuple[int, list[bytes]], await reply(scan))
        fresh = [key for key in found if key not in seen]
        seen.update(fresh)  # a scan may bring a key twice
        async with client.pipeline(transaction=False) as pipe:
            for key in fresh:
                pipe.hget(cast(Any, key), "job")
            jobs = await reply(pipe.execute()) if fresh else []
        for key, data in zip(fresh, jobs, strict=True):
            if data is not None and name in data:
                yield key.decode().removeprefix("job:"), data
        if cursor == 0:
            return
