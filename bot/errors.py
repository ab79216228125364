"""Messages about what went wrong. Every error goes through `explain`, and all look alike."""

import difflib
from collections.abc import Iterable
from typing import Any

import discord
import structlog
from discord import app_commands
from discord.ext import commands

from bot.background import REDIS_DOWN, is_transient
from bot.types import Command, Send
from bot.words import RED, clipped, code
from galvanic.errors import UserError
from shared.connect import takes_nothing
from shared.settings import Settings

log = structlog.get_logger()

# Discord's error codes.
ARCHIVED = 50_083  # a change in an archived thread
ALREADY_ANSWERED = 40_060
UNKNOWN_CHANNEL = 10_003
NOT_FOUND = 404  # an HTTP status, which other servers of Discord's protocol give as the code, too
UNKNOWN_WEBHOOK = 10_015
MISSING_ACCESS = 50_001  # the bot does not see the channel
TAKES_NO_MESSAGES = frozenset({50_007, 50_278})
"""Somebody takes no direct messages from the bot, or shares no server with it any more."""
TOO_LATE = frozenset({10_062, 10_015, 50_027})
"""An interaction cannot be answered any more: it is unknown, or its token has expired."""
CLOSED = TAKES_NO_MESSAGES | {UNKNOWN_CHANNEL, MISSING_ACCESS, ARCHIVED}
"""The bot can post nothing there in any way."""
_CONSENT = ("optin", "optout", "forget-me")
_MOST_CHARS = 2_000  # Discord's
_KINDS: dict[Any, str] = {int: "a whole number", float: "a number"}


class AlreadyReported(UserError):
    """The person has been told, or will be: it is not posted again."""


class WrongPlace(UserError):
    """The server's admins do not want the bot in this channel."""


_WRAPPERS = (
    commands.CommandInvokeError,
    commands.HybridCommandError,
    commands.ConversionError,
    app_commands.CommandInvokeError,
)


def servers_only() -> UserError:
    return UserError(
        "This works in servers, not in direct messages.",
        "Use it in a server's channel. `/help` shows what I can do here.",
    )


def too_late() -> UserError:
    return UserError("Discord didn't let me answer this in time.", "See whether it was done; if not, try again.")


def code_of(error: BaseException | None) -> int | None:
    """Return Discord's own number for an error; None: it is not Discord's. aiohttp's `code` is deprecated."""
    return error.code if isinstance(error, discord.HTTPException | discord.ConnectionClosed) else None


def is_gone(error: BaseException) -> bool:
    """Return whether Discord says that a channel no longer exists."""
    return code_of(error) in (UNKNOWN_CHANNEL, NOT_FOUND)


def explain(error: BaseException, doing: str, settings: Settings, usage: str = "") -> UserError:
    """Return what to tell a person about an error, and log it unless the person caused it.

    `doing`: what failed, for the log: a command's or a button's name. `usage`: a sentence of how the command is used.
    """
    error = cause_of(error)
    match error:
        case UserError():
            return error
        case commands.CommandError() | app_commands.AppCommandError() if problem := _of_command(error, usage):
            return problem
        case _ if isinstance(error, REDIS_DOWN) and takes_nothing(error, settings):
            log.warning("redis_takes_nothing", doing=doing)
            return UserError(
                "I can't store anything right now: my memory is full.",
                "Nothing was started or lost. Tell the bot's operator: Redis has no room, in memory or on its disk.",
            )
        case _ if isinstance(error, REDIS_DOWN):
            log.warning("redis_unreachable", doing=doing, error=type(error).__name__)
            return UserError(
                "I can't reach my memory right now.",
                "See whether it was done; if not, try again in a minute. "
                "If it stays so, tell the bot's operator that Redis is away.",
            )
        case discord.Forbidden() if not is_transient(error):
            log.warning("discord_forbidden", doing=doing, code=error.code)
            return UserError(
                "Discord doesn't let me do that here.", "A server admin can check my permissions in this channel."
            )
        case discord.HTTPException() if error.code in TOO_LATE:
            log.info("interaction_too_late", doing=doing, code=error.code)
            return too_late()
        case _ if is_transient(error):
            status = getattr(error, "status", None)
            log.warning("discord_unreachable", doing=doing, error=type(error).__name__, status=status)
            return UserError(
                "Discord is having trouble right now, so I couldn't finish this.",
                "See whether it was done; if not, try again in a minute.",
            )
        case _:
            log.error("failed", doing=doing, exc_info=error)
            return UserError(
                "Something went wrong on my side.",
                "It was logged; try again, and tell the bot's operator if it keeps happening.",
            )


def cause_of(error: BaseException) -> BaseException:
    """Return the error below discord.py's wrappers."""
    while isinstance(error, _WRAPPERS):
        error = error.original
    if isinstance(error, app_commands.TransformerError) and isinstance(error.__cause__, commands.CommandError):
        return error.__cause__
    return error


def _of_command(error: Exception, usage: str) -> UserError | None:
    """Return what was wrong with a command as typed; None: the person did not cause it."""
    match error:
        case commands.CheckFailure() | app_commands.CheckFailure():
            return UserError("You may not use this command here.", "Ask a server admin.")
        case commands.MissingFlagArgument():
            return UserError(f"`--{flag_name(error.flag)}` needs a value after it.", usage)
        case commands.TooManyFlags():
            return UserError(f"`--{flag_name(error.flag)}` was given more than once.", "Give it once.")
        case commands.BadFlagArgument():
            name, kind = flag_name(error.flag), getattr(error.flag.annotation, "annotation", None)
            takes = f"It takes {_KINDS.get(kind, 'another value')}. `--{name}`: {error.flag.description}.\n{usage}"
            return UserError(f"`--{name}` can't be {code(error.argument)}.", takes)
        case commands.MissingRequiredArgument():
            name = (error.param.displayed_name or error.param.name).upper()
            return UserError(f"`{name}` is missing.", usage)
        case commands.BadLiteralArgument():
            return UserError(f"I don't know {code(error.argument)} here.", usage)
        case commands.TooManyArguments():
            return UserError("Those are more words than this command takes.", usage)
        case commands.UserInputError():
            return UserError("I can't read the words after this command.", usage)
        case app_commands.TransformerError():
            return UserError(f"I can't use {code(error.value)} here.", usage)
        case app_commands.CommandSignatureMismatch() | app_commands.CommandNotFound():
            return UserError(
                "Discord shows an older version of this command.", "Restart Discord, or try again in a few minutes."
            )
    return None


def flag_name(flag: commands.Flag) -> str:
    """Return a flag's name as people type it."""
    return str(flag.name).replace("_", "-")


def nearest_command(typed: str, candidates: Iterable[Command], prefix: str = "") -> str:
    """Suggest the commands whose names or aliases are most like `typed`, but never a command of consent."""
    shown = [command for command in candidates if command.qualified_name not in _CONSENT]
    # An alias beside its command would be the same suggestion twice.
    spelled = [(command.qualified_name, *command.aliases) for command in shown]
    names = [difflib.get_close_matches(typed.lower(), each, n=1, cutoff=0)[0] for each in spelled]
    return nearest(typed, names, prefix)


def nearest(typed: str, candidates: Iterable[str], prefix: str = "", likeness: float = 0.55) -> str:
    """Return up to two candidates that resemble what was typed, as `a or b`; empty when none does."""
    near = difflib.get_close_matches(typed.lower(), list(candidates), n=2, cutoff=likeness)
    return " or ".join(f"`{prefix}{name}`" for name in near)


def error_embed(problem: UserError) -> discord.Embed:
    return discord.Embed(description=f"❌ **{problem.problem}**\n{problem.remedy}".strip(), colour=RED)


async def post_error(send: Send, problem: UserError, **options: Any) -> None:
    """Post an error, as plain text where Discord refuses its embed. Raises discord.HTTPException: it takes neither."""
    try:
        await send(embed=error_embed(problem), **options)
    except discord.HTTPException as error:
        if is_transient(error) or error.code in CLOSED | TOO_LATE | {ALREADY_ANSWERED}:
            raise
        log.info("embed_refused", status=error.status, code=error.code)
        text = f"❌ {problem}"  # cut, it might end within code, whose marks would count then
        await send(text if len(text) <= _MOST_CHARS else clipped(text, _MOST_CHARS // 2), **options)
