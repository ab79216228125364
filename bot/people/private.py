"""Answers that are one person's own business: unseen by others with a slash command, else a direct message."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import discord
import structlog

from bot.failures import TAKES_NO_MESSAGES, TRANSIENT
from shared.errors import UserError

if TYPE_CHECKING:
    from bot.options.checks import Context

SENT = "📬 I sent you a direct message."
CLOSED = "I can't send you a direct message: you don't take any from me."

log = structlog.get_logger()


def is_elsewhere(ctx: Context) -> bool:
    """Whether the private answer goes to another place than the command: a command that was typed in a channel."""
    return ctx.interaction is None and ctx.guild is not None


async def write_to(user: discord.User | discord.Member, **message: Any) -> bool:
    """Send a direct message; False when the person takes none.

    Raises:
        discord.HTTPException: Discord is in trouble.
    """
    try:
        await user.send(**message)
    except discord.HTTPException as error:
        if error.code not in TAKES_NO_MESSAGES:
            raise
        log.info("direct_message_refused", user_id=user.id, code=error.code)
        return False
    return True


async def answer(ctx: Context, **message: Any) -> bool:
    """Answer a command so that only the person sees it; False when they take no direct messages.

    Raises:
        discord.HTTPException: Discord did not take the answer.
    """
    if is_elsewhere(ctx):
        return await write_to(ctx.author, **message)
    await ctx.send(**message, ephemeral=True)
    return True


async def note(ctx: Context, said: str = SENT) -> None:
    """Say in the channel that the answer to a command went to the person, if it did. Says nothing about them."""
    if not is_elsewhere(ctx):
        return
    try:
        await ctx.send(said)
    except (discord.HTTPException, *TRANSIENT) as error:  # the person has their answer
        log.info("note_not_posted", channel_id=ctx.channel.id, error=type(error).__name__)


async def tell(ctx: Context, **message: Any) -> None:
    """As `answer` and `note`, of what cannot be said in the channel.

    Raises:
        UserError: they take no direct messages; says how else.
        discord.HTTPException: Discord did not take the answer.
    """
    if not await answer(ctx, **message):
        name = ctx.command.qualified_name if ctx.command is not None else ""
        raise UserError(CLOSED, f"Use `/{name}`: only you see the answer.")
    await note(ctx)
