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
    "Nothing was started or lost; try again in a minute. If it goes on, whoever runs the bot should look at Redis.",
)


def explain(error: BaseException, doing: str) -> UserError:
    """Two sentences about `error`, which is logged if the person cannot mend it.

    Args:
        error: the cause itself, without discord.py's wrapping.
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
                "Something broke on my side.",
                "It was logged; try again, and tell whoever runs the bot if it keeps happening.",
            )
