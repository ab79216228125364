"""What to tell a person when something other than their own command went wrong."""

from __future__ import annotations

import discord
import redis
import structlog
from kombu.exceptions import OperationalError

from shared.errors import UserError

log = structlog.get_logger()

AWAY = (redis.ConnectionError, redis.TimeoutError, OperationalError)
_QUEUE_AWAY = UserError(
    "My job queue (Redis) can't be reached right now.",
    "Nothing was started or lost; try again in a minute. If it keeps happening, tell the bot's operator.",
)


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
        case _:
            log.error("failed", doing=doing, exc_info=error)
            return UserError(
                "Something went wrong on my side.",
                "It was logged; try again, and tell the bot's operator if it keeps happening.",
            )
