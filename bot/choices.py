"""What Discord lets people choose from."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable
from typing import TypeVar

import structlog
from discord import app_commands
from redis.exceptions import RedisError

_T = TypeVar("_T")

MOST = 25
"""Discord's limit: of the choices offered while somebody types, of a menu's options, and of what one menu takes."""
_LONGEST = 100  # Discord's
_IN_TIME_S = 1.5
"""Discord waits 3 s for what it is to offer."""

log = structlog.get_logger()


async def in_time(asked: Awaitable[_T]) -> _T | None:
    """What Redis is asked while somebody types; None when it is away or slow: then nothing can be offered."""
    try:
        async with asyncio.timeout(_IN_TIME_S):
            return await asked
    except (RedisError, TimeoutError) as error:
        log.warning("nothing_offered", error=type(error).__name__)
        return None


def choices(names: Iterable[str], typed: str) -> list[app_commands.Choice[str]]:
    """The names to offer while somebody types one: those that contain what is there so far."""
    wanted = typed.strip().lower()
    near = (name for name in names if wanted in name.lower() and len(name) <= _LONGEST)
    return [app_commands.Choice(name=name, value=name) for name in near][:MOST]
