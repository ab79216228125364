"""What to tell a person when something other than their own command went wrong."""

from __future__ import annotations

import aiohttp
import discord
import redis
import structlog
from kombu.exceptions import OperationalError

from shared.errors import UserError

log = structlog.get_logger()

AWAY = (redis.ConnectionError, redis.TimeoutError, OperationalError)
TRANSIENT = (aiohttp.ClientError, OSError, discord.DiscordServerError, discord.RateLimited)
"""What Discord or the way to it gets over by itself: the same request may do later."""
MISSING_PERMISSIONS = 50_013
"""Discord's error for a permission that the bot lacks."""
ARCHIVED = 50_083
"""Discord's error for a change of a message in an archived thread."""
ALREADY_ANSWERED = 40_060
TOO_LATE = frozenset({10_062, 10_015, 50_027})
"""Discord's errors for an interaction that cannot be answered any more: unknown, or its token has expired."""
_QUEUE_AWAY = UserError(
    "My job queue (Redis) can't be reached right now.",
    "Nothing was started or lost; try again in a minute. If it keeps happening, tell the bot's operator.",
)


def too_late() -> UserError:
    """What to tell somebody whose interaction Discord lets nobody answer any more."""
    return UserError(
        "Discord didn't let me answer this in time.", "It may be done all the same; if it is not, try again."
    )


def passing(error: BaseException) -> bool:
    """Whether the same may well succeed later, without anybody's doing."""
    limited = isinstance(error, discord.HTTPException) and error.status == 429
    return limited or isinstance(error, (*TRANSIENT, *AWAY))


def explain(error: BaseException, doing: str) -> UserError:
    """What to tell a person about `error`, which is logged unless it is their own.

    Args:
        error: the cause, without discord.py's wrappers.
        doing: what failed, for the log: a command's or a button's name.
    """
    match error:
        case UserError():
            return error
        case redis.ConnectionError() | redis.TimeoutError() | OperationalError():
            log.warning("redis_unreachable", doing=doing, error=type(error).__name__)
            return _QUEUE_AWAY
        case discord.Forbidden():
            log.warning("discord_forbidden", doing=doing, code=error.code)
            return UserError(
                "Discord doesn't let me do that here.", "A server admin can check my permissions in this channel."
            )
        case discord.HTTPException() if error.code in TOO_LATE:
            log.info("interaction_too_late", doing=doing, code=error.code)
            return too_late()
        case _:
            log.error("failed", doing=doing, exc_info=error)
            return UserError(
                "Something went wrong on my side.",
                "It was logged; try again, and tell the bot's operator if it keeps happening.",
            )
