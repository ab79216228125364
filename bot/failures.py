"""What to tell a person when something other than their own command went wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

import aiohttp
import discord
import redis
import structlog
from kombu.exceptions import OperationalError

from shared.connect import takes_nothing
from shared.errors import UserError

if TYPE_CHECKING:
    from bot.client import Galvanic
    from shared.settings import Settings

T = TypeVar("T")
log = structlog.get_logger()

PAUSES_S = (1.0, 4.0)
"""Between tries to post something while Discord or Redis are in trouble."""
AWAY = (redis.ConnectionError, redis.TimeoutError, OperationalError)
"""What is raised while Redis cannot be reached, or does not answer."""
TRANSIENT = (aiohttp.ClientError, OSError, discord.DiscordServerError, discord.RateLimited)
"""What Discord or the way to it gets over by itself: the same request may do later. See `passing`, too."""
TOO_MANY_REQUESTS = 429
"""HTTP status of a refusal that discord.py does not wait out: not Discord's own, but that of what stands before it."""
MISSING_PERMISSIONS = 50_013
"""Discord's error for a permission that the bot lacks."""
ARCHIVED = 50_083
"""Discord's error for a change of a message in an archived thread."""
ALREADY_ANSWERED = 40_060
UNKNOWN_CHANNEL = 10_003
MISSING_ACCESS = 50_001
"""Discord's error for a channel that the bot does not see."""
TAKES_NO_MESSAGES = frozenset({50_007, 50_278})
"""Discord's errors for somebody who takes no direct messages from the bot, or is in no server with it any more."""
TOO_LATE = frozenset({10_062, 10_015, 50_027})
"""Discord's errors for an interaction that cannot be answered any more: unknown, or its token has expired."""
CLOSED = TAKES_NO_MESSAGES | {UNKNOWN_CHANNEL, MISSING_ACCESS, ARCHIVED}
"""Discord's errors for where the bot can say nothing at all, in whatever way."""
_QUEUE_FULL = UserError(
    "My job queue (Redis) takes nothing right now: its disk or its memory is full.",
    "Nothing was started or lost; the bot's operator has to make room.",
)
_QUEUE_AWAY = UserError(
    "My job queue (Redis) can't be reached right now.",
    "Nothing was started or lost; try again in a minute. If it keeps happening, tell the bot's operator.",
)
_DISCORD_AWAY = UserError(
    "Discord is having trouble right now, so I couldn't finish this.",
    "See whether it was done; if it was not, try again in a minute.",
)


class Told(UserError):
    """An error that its person has been told of, or will be: it undoes what errors undo, and nobody says it again."""


def too_late() -> UserError:
    """What to tell somebody whose interaction Discord lets nobody answer any more."""
    return UserError(
        "Discord didn't let me answer this in time.", "It may be done all the same; if it is not, try again."
    )


def passing(error: BaseException) -> bool:
    """Whether the same may well succeed later, without anybody's doing.

    Discord says by a code of its own what it forbids or does not know; a 403 or 404 without one is not Discord's.
    """
    stands_before = isinstance(error, discord.HTTPException) and (
        error.status == TOO_MANY_REQUESTS or (error.status in (403, 404) and not error.code)
    )
    return stands_before or isinstance(error, (*TRANSIENT, *AWAY))


def is_gone(error: BaseException) -> bool:
    """Whether Discord says that a channel is not there any more."""
    return isinstance(error, discord.HTTPException) and error.code == UNKNOWN_CHANNEL


async def persist(bot: Galvanic, post: Callable[[], Awaitable[T]]) -> T:
    """Post something, with a few tries while Discord or Redis are in trouble; raises what the last one raised.

    Args:
        bot: the bot; one that is being stopped does not try again.
        post: posts it; what Discord took without saying so should not be posted twice by it.
    """
    for pause in PAUSES_S:
        try:
            return await post()
        except Exception as error:
            if bot.is_closed() or not passing(error):
                raise
            log.warning("answer_not_posted_yet", error=type(error).__name__)
        await asyncio.sleep(pause)
    return await post()


def _of_discord(error: BaseException) -> bool:
    """Whether it is a passing trouble of Discord, or of the way to it. Not of any file, as an OSError may be."""
    kinds = (aiohttp.ClientError, discord.DiscordServerError, discord.RateLimited, ConnectionError, TimeoutError)
    return isinstance(error, kinds) or (isinstance(error, discord.HTTPException) and passing(error))


def explain(error: BaseException, doing: str, settings: Settings) -> UserError:
    """What to tell a person about `error`, which is logged unless it is their own.

    Args:
        error: the cause, without discord.py's wrappers.
        doing: what failed, for the log: a command's or a button's name.
        settings: of the bot.
    """
    match error:
        case UserError():
            return error
        case _ if isinstance(error, AWAY) and takes_nothing(error, settings):
            log.warning("redis_takes_nothing", doing=doing)
            return _QUEUE_FULL
        case _ if isinstance(error, AWAY):
            log.warning("redis_unreachable", doing=doing, error=type(error).__name__)
            return _QUEUE_AWAY
        case discord.Forbidden() if not passing(error):
            log.warning("discord_forbidden", doing=doing, code=error.code)
            return UserError(
                "Discord doesn't let me do that here.", "A server admin can check my permissions in this channel."
            )
        case discord.HTTPException() if error.code in TOO_LATE:
            log.info("interaction_too_late", doing=doing, code=error.code)
            return too_late()
        case _ if _of_discord(error):
            status = getattr(error, "status", None)
            log.warning("discord_unreachable", doing=doing, error=type(error).__name__, status=status)
            return _DISCORD_AWAY
        case _:
            log.error("failed", doing=doing, exc_info=error)
            return UserError(
                "Something went wrong on my side.",
                "It was logged; try again, and tell the bot's operator if it keeps happening.",
            )
