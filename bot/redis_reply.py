"""Awaiting Redis from the bot, never for longer than a person waits."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any, cast

from redis.exceptions import TimeoutError as RedisTimeoutError

REPLY_S = 5.0
"""A server that accepts and stays silent is given up after this, retries and handshakes included."""


async def reply(call: Awaitable[Any] | Any, limit_s: float = REPLY_S) -> Any:
    """The reply to a command; redis-py types it as `Awaitable | value`, on the asyncio client it is awaitable.

    Raises:
        redis.RedisError: the server cannot be reached, or does not answer in time.
    """
    try:
        async with asyncio.timeout(limit_s):
            return await cast(Awaitable[Any], call)
    except TimeoutError as error:
        raise RedisTimeoutError("no reply in time") from error
