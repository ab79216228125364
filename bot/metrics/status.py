"""What `status` tells an admin: counts of the whole installation, and nothing of whose they are."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING, Any, cast

from redis.exceptions import ResponseError

from bot.cards.status import Running, Status
from bot.jobs.fairness import Estimate
from bot.jobs.queue_view import Outlook
from bot.redis_reply import reply
from shared import keys
from shared.jobs import GENERATE_QUEUE, TRAIN_QUEUE
from shared.metrics.registry import disk, version_of

if TYPE_CHECKING:
    from bot.client import Galvanic

_SERVICES = (TRAIN_QUEUE, GENERATE_QUEUE)


async def status_of(bot: Galvanic) -> Status:
    """The short form of what there is to see.

    Raises:
        redis.RedisError: Redis cannot be reached.
    """
    outlook = await bot.outlook.look(now=True)
    workers = await _workers(bot)
    memory, limit = await _memory(bot)
    a_minute, median_s = bot.metrics.lately.summary(bot.metrics.began)
    room = disk(bot.settings.data_dir)
    return Status(
        workers={service: tuple(sorted(Counter(machines).items())) for service, machines in workers.items()},
        running=tuple(
            Running(one.progress.share if one.progress else None, one.ends)
            for one in outlook.standings
            if one.place is None
        ),
        waiting=outlook.waiting,
        next_begins=_next(outlook),
        texts_a_minute=a_minute,
        median_s=median_s,
        texts_awaited=bot.crowd.waiting,
        latency_s=bot.latency if bot.latency == bot.latency else None,  # NaN until the first heartbeat is answered
        redis_bytes=memory,
        redis_limit=limit,
        disk_free=room[0] if room else None,
        disk_size=room[1] if room else None,
        guilds=len(bot.guilds),
        up_s=time.monotonic() - bot.metrics.began,
        version=version_of("galvanic"),
    )


def _next(outlook: Outlook) -> Estimate | None:
    return next((one.begins for one in outlook.standings if one.place == 0), None)


async def _workers(bot: Galvanic) -> dict[str, list[str]]:
    """What each worker that is there runs on, by queue."""
    now = time.time()
    async with bot.redis.pipeline(transaction=False) as pipe:
        for service in _SERVICES:
            pipe.zrangebyscore(keys.workers(service), now, "+inf")
            pipe.hgetall(keys.worker_info(service))
        found = cast(list[Any], await reply(pipe.execute()))
    return {
        service: [info.get(name, b"").decode() or "a machine" for name in alive]
        for service, alive, info in zip(_SERVICES, found[::2], found[1::2], strict=True)
    }


async def _memory(bot: Galvanic) -> tuple[int | None, int | None]:
    """What Redis holds and may hold, in bytes; None: this user of it may not ask."""
    try:
        told = cast(dict[str, Any], await reply(bot.redis.info("memory")))
        return int(told["used_memory"]), int(told.get("maxmemory", 0)) or None
    except (ResponseError, KeyError, ValueError):
        return None, None
