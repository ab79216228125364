"""Awaiting Redis from the bot, never for longer than a person waits."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any, cast

from redis.exceptions import TimeoutError as RedisTimeoutError

REPLY_S = 5.0
"""A server that accepts and stays silent is given up after this, retries and handshakes included."""


_LOOKS = 20


class _Patience:
    """Ends a wait after `_LOOKS` looks at the clock, each a while after the loop came to the one before."""

    def __init__(self, limit: asyncio.Timeout, limit_s: float) -> None:
        self._limit = limit
        self._every_s = limit_s / _LOOKS
        self._left = _LOOKS
        self._loop = asyncio.get_running_loop()
        self._next = self._loop.call_later(self._every_s, self._look)

    def _look(self) -> None:
        self._left -= 1
        if self._left:
            self._next = self._loop.call_later(self._every_s, self._look)
        else:
            self._limit.reschedule(self._loop.time())

    def stop(self) -> None:
        """The wait is over."""
        self._next.cancel()


async def reply(call: Awaitable[Any] | Any, limit_s: float = REPLY_S) -> Any:
    """The reply to a command; redis-py types it as `Awaitable | value`, on the asyncio client it is awaitable.

    The limit is of time in which the event loop could have taken the reply: where many ask at once, a loop that comes
    round late is no outage.

    Raises:
        redis.RedisError: the server cannot be reached, does not answer in time, or takes nothing.
    """
    try:
        async with asyncio.timeout(None) as limit:
            patience = _Patience(limit, limit_s)
            try:
                return await cast(Awaitable[Any], call)
            finally:
                patience.stop()
    except TimeoutError as error:
        raise RedisTimeoutError("no reply in time") from error
