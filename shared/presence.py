"""Which processes run: each says so in Redis every few seconds, and counts as gone when it no longer does.

A service is a queue name (`train`, `generate`) or `bot`.
"""

import os
import sys
import time
from collections.abc import Awaitable
from typing import cast

import redis
import redis.asyncio
from redis.asyncio.client import Pipeline as AsyncPipeline
from redis.client import Pipeline

from shared import keys
from shared.connect import connect, explain
from shared.settings import Settings

BOT = "bot"
TROUBLE = "bot-trouble"  # not a service: what keeps the bot from Discord, as a sentence in place of a name
NAME_VARIABLE = "GALVANIC_WORKER_NAME"  # a worker's name, for the processes and threads in which it does its jobs
BEAT_S = 2.0
EXPIRY_S = 6.0  # a killed process counts as gone after this: a card must say "no worker" within 10 s


def own_name() -> str:
    """Return the name of the worker that this process is, or is a child of."""
    return os.environ.get(NAME_VARIABLE, "")


def alive(client: redis.Redis, service: str, since: float = 0.0) -> list[str]:
    """Return the names of a service's processes that run, and have said so after a moment."""
    least = max(time.time(), since + EXPIRY_S)
    names = cast(list[bytes], client.zrangebyscore(keys.workers(service), least, "+inf"))
    return [name.decode(errors="replace") for name in names]


def health_command(settings: Settings, service: str, name_has: str = "") -> int:
    """The health check of a container: return 0 if Redis knows of such a process, with `name_has` in its name, or 1.

    Prints what is wrong on standard error.
    """
    try:
        if any(name_has in name for name in alive(connect(settings), service)):
            return 0
        problem = f"Redis has heard of no such {service} process in the last {EXPIRY_S:g} seconds."
    except redis.RedisError as error:
        problem = str(explain(error, settings))
    print(problem, file=sys.stderr)
    return 1


async def alive_async(client: redis.asyncio.Redis, service: str) -> list[str]:
    reply = client.zrangebyscore(keys.workers(service), time.time(), "+inf")
    return [name.decode(errors="replace") for name in await cast(Awaitable[list[bytes]], reply)]


async def beat_async(client: redis.asyncio.Redis, service: str, name: str) -> None:
    """Say once that `name` is there; forget those long gone."""
    async with client.pipeline(transaction=False) as pipe:
        add_beat(pipe, service, name)
        await pipe.execute()


def add_beat(pipe: Pipeline | AsyncPipeline, service: str, name: str) -> None:
    """Queue commands that note a process as alive, and that forget those long gone."""
    now = time.time()
    pipe.zadd(keys.workers(service), {name: now + EXPIRY_S})
    pipe.zremrangebyscore(keys.workers(service), "-inf", now - 60)
