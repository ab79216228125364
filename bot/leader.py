"""Writes of a bot that fail once it has lost its lock."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar, cast

import redis.asyncio
from redis.asyncio.client import Pipeline

from bot.background import redis_call
from bot.lock import BotLock
from shared import keys

T = TypeVar("T")


class Overtaken(redis.ConnectionError):
    """Another bot has the lock. A Redis error, so that the bot that lost it takes it for an outage."""


class Leader:
    """Fences the writes of a bot: a process may be suspended at any point, and another bot may have begun since."""

    def __init__(self, client: redis.asyncio.Redis, lock: BotLock | None = None) -> None:
        self._redis = client
        self._lock = lock

    async def step(self, work: Callable[[Pipeline], Awaitable[T]], *watched: str) -> T:
        """Change Redis in a transaction, unless another bot has the lock.

        Runs `work`, which reads and then, after `multi()`, queues; again if something watched changes meanwhile.

        Raises Overtaken; redis.RedisError.
        """

        async def fenced(pipe: Pipeline) -> T:
            holder = await redis_call(pipe.get(keys.BOT_LOCK))
            if self._lock is not None and holder is not None and holder.decode() != self._lock.token:
                raise Overtaken("another bot has taken over")
            return await work(pipe)

        transaction = self._redis.transaction(fenced, *watched, keys.BOT_LOCK, value_from_callable=True)
        return cast(T, await redis_call(transaction))

    async def write(self, queue: Callable[[Pipeline], object]) -> None:
        """Write without reading first. Raises as `step`."""

        async def work(pipe: Pipeline) -> None:
            pipe.multi()
            queue(pipe)

        await self.step(work)
