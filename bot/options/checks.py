"""What every command checks before it does anything: permissions, and options as people type them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypeVar

import discord
from discord.ext import commands

from bot.escape import code
from bot.servers import access
from shared.errors import UserError

if TYPE_CHECKING:
    from bot.client import Galvanic

    Context = commands.Context[Galvanic]
else:
    Context = commands.Context
_N = TypeVar("_N", int, float)

SEED_LIMIT = 2_000
"""Characters of a seed."""
NAME_PATTERN = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
_NEEDED = {
    "view_channel": "View Channel",
    "send_messages": "Send Messages",
    "embed_links": "Embed Links",
    "attach_files": "Attach Files",
    "read_message_history": "Read Message History",
}
_WITHOUT_WHICH_NOTHING = ("View Channel", "Send Messages", "Send Messages in Threads")


class Refused(commands.CheckFailure):
    """Wraps a check's error in the type that discord.py expects checks to raise.

    Attributes:
        original: what the check raised.
    """

    def __init__(self, original: Exception) -> None:
        super().__init__(str(original))
        self.original = original


async def works_here(ctx: Context) -> bool:
    """The check before every command: the server's admins allow it here, or it works in direct messages.

    Raises:
        Refused: holds the reason.
    """
    assert ctx.command is not None
    first = ctx.command.root_parent or ctx.command
    try:
        await access.require_command(ctx.bot, first.name, ctx.author, ctx.guild, ctx.channel)
    except Exception as error:
        raise Refused(error) from error
    return True


def require_permissions(ctx: Context) -> None:
    """Refuse a command where the bot could not post its answer; see `require_all`."""
    require_all(ctx.bot_permissions, ctx.channel)


def require_all(have: discord.Permissions, channel: access.Where) -> None:
    """Refuse where the bot lacks a permission that its answers need.

    Raises:
        UserError: names the permissions that are missing.
    """
    needed = dict(_NEEDED)
    if isinstance(channel, discord.Thread):
        needed = {"view_channel": "View Channel", "send_messages_in_threads": "Send Messages in Threads", **needed}
        del needed["send_messages"]
    missing = [title for name, title in needed.items() if not getattr(have, name)]
    if missing:
        # Without it the others seem to be missing, too, whether they are granted or not.
        missing = next(([title] for title in missing if title in _WITHOUT_WHICH_NOTHING), missing)
        raise UserError(
            f"I'm missing permissions in #{channel}: {', '.join(missing)}.",
            "A server admin can give them to my role in the channel's settings.",
        )


def require_writer(interaction: discord.Interaction) -> None:
    """Refuse a press or a form of somebody who could not write the command in its channel.

    Raises:
        UserError: they may only read there.
    """
    may = interaction.permissions  # none outside of servers
    in_thread = isinstance(interaction.channel, discord.Thread)
    if interaction.guild_id is not None and not (may.send_messages_in_threads if in_thread else may.send_messages):
        raise UserError(
            "You can't send messages in this channel, so this does nothing for you.",
            "Use my commands in a channel where you may write.",
        )


def seed(words: str) -> str:
    """Check the words that a text is to continue.

    Raises:
        UserError: they are too long.
    """
    if len(words) > SEED_LIMIT:
        raise UserError(f"That seed is {len(words):,} characters long.", f"Use at most {SEED_LIMIT:,}.")
    return words


def in_range(name: str, value: _N | None, low: _N, high: _N) -> _N | None:
    """Check an option's value; the limits are inclusive.

    Raises:
        UserError: it is out of range.
    """
    if value is not None and not low <= value <= high:
        shown = f"{value:g}" if isinstance(value, float) else str(value)
        shown = shown if len(shown) <= 12 else f"{shown[:12]}…"
        raise UserError(
            f"`--{name}` is {shown}, which is out of range.",
            f"Choose a value from {as_limit(low)} to {as_limit(high)}.",
        )
    return value


def as_limit(number: float) -> str:
    """A limit as people read it: `4,096`, `0.9`."""
    return f"{number:,}" if isinstance(number, int) else f"{number:,.6f}".rstrip("0").rstrip(".")


def model_name(value: str | None) -> str | None:
    """Check a name for a model.

    Raises:
        UserError: it has other characters, or is too long.
    """
    if value is None:
        return None
    name = value.strip().lower()
    if not NAME_PATTERN.fullmatch(name):
        raise UserError(
            f"{code(value, 60)} isn't a valid model name.",
            "Use up to 32 characters (a-z, 0-9, `-`, `_`), starting with a letter or digit.",
        )
    return name
