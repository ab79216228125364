"""What a person got wrong in a command, in two sentences: for each of discord.py's errors that people cause."""

from __future__ import annotations

import difflib
import types
from collections.abc import Iterable
from typing import Any, Literal, Union, get_args, get_origin

import discord
from discord import app_commands
from discord.ext import commands

from bot.escape import code
from bot.options.options import Options, shown
from bot.servers import access
from shared.errors import UserError

_KINDS = {int: "a whole number", float: "a number", bool: "yes or no", discord.Attachment: "a file", str: "text"}
_NOT_FOUND = {
    commands.MemberNotFound: ("member of this server", "Mention them, or give their name as it is written."),
    commands.UserNotFound: ("person", "Mention them, or give their id."),
    commands.RoleNotFound: ("role of this server", "Mention it, or give its name as it is written."),
    commands.ChannelNotFound: ("channel of this server", "Link it, as in `#general`, or give its name."),
    commands.ThreadNotFound: ("thread of this server", "Link it, or give its name."),
    commands.MessageNotFound: ("message", "Give the link of a message that I can see."),
    commands.GuildNotFound: ("server", "Give the id of a server that I am in."),
    commands.EmojiNotFound: ("emoji", "Use one of this server's."),
    commands.GuildStickerNotFound: ("sticker", "Use one of this server's."),
    commands.ScheduledEventNotFound: ("event", "Give its link."),
    commands.SoundboardSoundNotFound: ("sound", "Use one of this server's."),
    commands.ObjectNotFound: ("person, channel or role", "Mention it, or give its id."),
    commands.PartialEmojiConversionFailure: ("emoji", "Use one of this server's."),
    commands.BadInviteArgument: ("invitation", "Give one that still works."),
}


def nearest(typed: str, known: Iterable[str], prefix: str = "", likeness: float = 0.55) -> str:
    """Up to two of `known` that resemble what was typed, as `a or b`; empty when none does."""
    near = difflib.get_close_matches(typed.lower(), list(known), n=2, cutoff=likeness)
    return " or ".join(f"`{prefix}{name}`" for name in near)


def explain(error: Exception, usage: str) -> UserError | None:
    """Say what was wrong with a command; None when it is not the person's doing.

    Args:
        error: the cause, without discord.py's wrappers.
        usage: how the command is used, a sentence of its own.
    """
    match error:
        case commands.CommandError():
            return _rights(error) or _pace(error) or _flags(error, usage) or _arguments(error, usage)
        case app_commands.AppCommandError():
            return _rights(error) or _pace(error) or _slash(error)
        case _:
            return None


def _rights(error: Exception) -> UserError | None:
    match error:
        case commands.NoPrivateMessage() | app_commands.NoPrivateMessage():
            return access.servers_only()
        case commands.PrivateMessageOnly():
            return UserError("This works in direct messages only.", "Send it to me there.")
        case commands.NotOwner():
            return UserError("Only the bot's operator can do that.", "Ask them, if you need it.")
        case commands.MissingPermissions() | app_commands.MissingPermissions():
            return UserError(
                f"You need the permission {_listed(map(_title, error.missing_permissions), 'and')} for this.",
                "A server admin can give you that.",
            )
        case commands.BotMissingPermissions() | app_commands.BotMissingPermissions():
            return UserError(
                f"I'm missing the permission {_listed(map(_title, error.missing_permissions), 'and')} here.",
                "A server admin can give that to my role in the channel's settings.",
            )
        case commands.MissingRole() | app_commands.MissingRole():
            return UserError(f"This is for members with the role {code(error.missing_role)}.", "Ask a server admin.")
        case commands.MissingAnyRole() | app_commands.MissingAnyRole():
            roles = _listed(map(code, error.missing_roles), "or")
            return UserError(f"This is for members with the role {roles}.", "Ask a server admin.")
        case commands.BotMissingRole() | commands.BotMissingAnyRole():
            return UserError("I'm missing a role that this needs.", "A server admin can give it to me.")
        case commands.NSFWChannelRequired():
            return UserError("This works only in age-restricted channels.", "Use it in one of those.")
        case commands.DisabledCommand():
            return UserError("This command is switched off.", "Ask the bot's operator.")
        case commands.CheckFailure() | app_commands.CheckFailure():
            if not isinstance(error, app_commands.CommandOnCooldown):
                return UserError("You may not use this command here.", "Ask a server admin.")
    return None


def _pace(error: Exception) -> UserError | None:
    match error:
        case commands.CommandOnCooldown() | app_commands.CommandOnCooldown():
            return UserError("That was a bit fast.", f"Try again in {max(1, round(error.retry_after))} s.")
        case commands.MaxConcurrencyReached():
            return UserError("This is already running as often as it may at once.", "Wait until it is done.")
    return None


def _flags(error: Exception, usage: str) -> UserError | None:
    match error:
        case commands.MissingFlagArgument():
            return UserError(f"`--{shown(error.flag)}` needs a value after it.", usage)
        case commands.MissingRequiredFlag():
            return UserError(f"`--{shown(error.flag)}` is missing.", usage)
        case commands.TooManyFlags():
            return UserError(f"`--{shown(error.flag)}` was given more than once.", "Give it once.")
        case commands.BadFlagArgument():
            name = shown(error.flag)
            remedy = f"It takes {_kind(error.flag.annotation)}. `--{name}`: {error.flag.description}.\n{usage}"
            return UserError(f"`--{name}` can't be {code(error.argument)}.", remedy)
    return None


def _arguments(error: Exception, usage: str) -> UserError | None:
    for kind, (what, remedy) in _NOT_FOUND.items():
        if isinstance(error, kind):
            typed = getattr(error, "argument", None)
            return UserError(f"I can't find that {what}" + (f": {code(typed)}." if typed else "."), remedy)
    match error:
        case commands.MissingRequiredArgument():
            return UserError(f"{_parameter(error.param)} is missing.", usage)
        case commands.MissingRequiredAttachment():
            return UserError("A file is missing.", f"Attach it to your message.\n{usage}")
        case commands.TooManyArguments():
            return UserError("That is more than this command takes.", usage)
        case commands.BadLiteralArgument():
            choices = _listed(map(code, error.literals), "or")
            return UserError(f"{_parameter(error.param)} can't be {code(error.argument)}.", f"Choose {choices}.")
        case commands.BadUnionArgument():
            kinds = _listed(map(_kind, error.converters), "or")
            return UserError(f"{_parameter(error.param)} can't be that.", f"It takes {kinds}.\n{usage}")
        case commands.ChannelNotReadable():
            return UserError(f"I can't see {error.argument.mention}.", "Let me in, or name another channel.")
        case commands.BadBoolArgument():
            return UserError(f"{code(error.argument)} is neither yes nor no.", usage)
        case commands.BadColourArgument():
            return UserError(f"{code(error.argument)} isn't a colour.", "Write it as `#5865F2`.")
        case commands.BadTimestampArgument():
            return UserError(f"{code(error.argument)} isn't a time.", usage)
        case commands.RangeError():
            ends = [
                f"{word} {end:,}" for word, end in (("from", error.minimum), ("to", error.maximum)) if end is not None
            ]
            return UserError(f"{code(error.value)} is out of range.", f"Choose a value {' '.join(ends)}.\n{usage}")
        case commands.ArgumentParsingError():
            return UserError("A quotation mark isn't closed.", f"Close it, or leave it out.\n{usage}")
        case commands.UserInputError():
            return UserError("I can't read this command's arguments.", usage)
    return None


def _slash(error: Exception) -> UserError | None:
    match error:
        case app_commands.TransformerError():
            kind = {
                discord.AppCommandOptionType.user: "a member",
                discord.AppCommandOptionType.channel: "a channel",
                discord.AppCommandOptionType.role: "a role",
                discord.AppCommandOptionType.integer: "a whole number",
                discord.AppCommandOptionType.number: "a number",
            }.get(error.type, "something else")
            return UserError(f"I can't use {code(error.value)} here.", f"I need {kind} there.")
        case app_commands.CommandSignatureMismatch():
            return UserError(
                "Discord shows an older version of this command.",
                "Restart Discord, or try again in a few minutes.",
            )
        case app_commands.CommandNotFound():
            return UserError("This command no longer exists.", "Type `/` to see all my commands.")
    return None


def _parameter(parameter: commands.Parameter) -> str:
    annotation = parameter.annotation
    if isinstance(annotation, type) and issubclass(annotation, Options):
        return "The text"
    return f"`{(parameter.displayed_name or parameter.name).upper()}`"


def _kind(annotation: Any) -> str:
    """What a parameter takes, in plain words."""
    if isinstance(annotation, commands.Range):  # type: ignore[arg-type]  # for type checkers it is no class
        annotation = annotation.annotation
    if get_origin(annotation) is Literal:
        return _listed(map(code, get_args(annotation)), "or")
    if get_origin(annotation) in (Union, types.UnionType):
        kinds = [kind for kind in get_args(annotation) if kind is not type(None)]
        return _listed(dict.fromkeys(map(_kind, kinds)), "or")
    return _KINDS.get(annotation) or f"a {getattr(annotation, '__name__', 'value').lower()}"


def _title(permission: str) -> str:
    return "**" + permission.replace("_", " ").replace("guild", "server").title() + "**"


def _listed(things: Any, word: str) -> str:
    *others, last = list(things) or ["nothing"]
    return f"{', '.join(others)} {word} {last}" if others else last
