"""Old names of `bot.background` and `bot.errors`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from bot.background import PAUSES_S, TOO_MANY_REQUESTS, TRANSIENT, retry
from bot.background import REDIS_DOWN as AWAY
from bot.background import is_transient as passing
from bot.errors import (
    ALREADY_ANSWERED,
    ARCHIVED,
    CLOSED,
    MISSING_ACCESS,
    MISSING_PERMISSIONS,
    TAKES_NO_MESSAGES,
    TOO_LATE,
    UNKNOWN_CHANNEL,
    explain,
    is_gone,
    too_late,
)
from bot.errors import AlreadyReported as Told

T = TypeVar("T")

__all__ = [
    "ALREADY_ANSWERED", "ARCHIVED", "AWAY", "CLOSED", "MISSING_ACCESS", "MISSING_PERMISSIONS", "PAUSES_S",
    "TAKES_NO_MESSAGES", "TOO_LATE", "TOO_MANY_REQUESTS", "TRANSIENT", "UNKNOWN_CHANNEL", "Told", "explain", "is_gone",
    "passing", "persist", "too_late",
]  # fmt: skip


async def persist(bot: Any, post: Callable[[], Awaitable[T]]) -> T:
    """See `bot.background.retry`."""
    return await retry(post, unless=bot.is_closed)
