"""The one place where a failed command is answered."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

import discord
import structlog
from discord import app_commands
from discord.ext import commands
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from bot import cards
from bot.checks import Context
from shared.errors import UserError

if TYPE_CHECKING:
    from bot.client import Galvanic

log = structlog.get_logger()

_WRAPPERS = (
    commands.CommandInvokeError,
    commands.HybridCommandError,
    commands.ConversionError,
    app_commands.CommandInvokeError,
)
QUEUE_AWAY = UserError(
    "My job queue (Redis) can't be reached right now.",
    "Nothing was started or lost; try again in a minute. If it stays so, whoever runs me should look at Redis.",
)


class Errors(commands.Cog):
    """Turns every error of a command into a message to the person who typed it.

    In this order: what a person can mend (`UserError`) is shown as it is; an unknown command gets the nearest one;
    a missing or malformed argument gets the command's usage; a command outside a server, on cooldown or without
    permission gets the reason; an outage of Redis is named; anything else is logged with its traceback and
    answered with a sentence that has none.
    """

    def __init__(self, bot: Galvanic) -> None:
        self.bot = bot

    async def cog_load(self) -> None:
        """Answer errors of pure application commands too (autocompletion, components)."""
        self.bot.tree.error(self._on_tree_error)

    @commands.Cog.listener()
    async def on_command_error(self, ctx: Context, error: commands.CommandError) -> None:
        """Answer the failed command."""
        await respond(ctx, self.explain(ctx, error))

    async def _on_tree_error(
        self, interaction: discord.Interaction[Galvanic], error: app_commands.AppCommandError
    ) -> None:
        ctx = await commands.Context.from_interaction(interaction)
        await respond(ctx, self.explain(ctx, error))

    def explain(self, ctx: Context, error: Exception) -> UserError:
        """What to tell the person. Logs what they cannot mend."""
        cause = error
        while isinstance(cause, _WRAPPERS):
            cause = cause.original
        usage = self._usage(ctx)
        match cause:
            case UserError():
                return cause
            case commands.CommandNotFound():
                return self._unknown(ctx)
            case commands.MissingRequiredArgument():
                return UserError("Something is missing from this command.", usage)
            case commands.MissingFlagArgument():
                return UserError(f"`--{cause.flag.name.replace('_', '-')}` needs a value after it.", usage)
            case commands.BadFlagArgument():
                name, value = cause.flag.name.replace("_", "-"), cause.argument[:40]
                return UserError(f"`--{name}` can't be `{cards.plain(value)}`.", usage)
            case commands.TooManyFlags():
                return UserError(f"`--{cause.flag.name}` was given more than once.", usage)
            case commands.UserInputError():
                return UserError("I can't make sense of this command's arguments.", usage)
            case commands.NoPrivateMessage() | app_commands.NoPrivateMessage():
                return UserError("This works in servers, not in direct messages.", "Use it in a server's channel.")
            case commands.CommandOnCooldown() | app_commands.CommandOnCooldown():
                return UserError("That was a bit fast.", f"Try again in {cause.retry_after:.0f} s.")
            case commands.MissingPermissions() | app_commands.MissingPermissions():
                return UserError(f"You need these permissions: {', '.join(cause.missing_permissions)}.", "")
            case RedisError() | OperationalError():
                log.warning("redis_unreachable", command=str(ctx.command), error=type(cause).__name__)
                return QUEUE_AWAY
            case discord.Forbidden():
                log.warning("discord_forbidden", command=str(ctx.command), code=cause.code)
                return UserError(
                    "Discord doesn't let me do that here.", "A server admin can check my permissions in this channel."
                )
            case _:
                log.error("command_failed", command=str(ctx.command), exc_info=cause)
                return UserError(
                    "Something broke on my side.", "It was logged; try again, and tell whoever runs me if it stays."
                )

    def _unknown(self, ctx: Context) -> UserError:
        prefix = self.bot.settings.command_prefix
        names = [name for command in self.bot.walk_commands() for name in (command.qualified_name, *command.aliases)]
        near = difflib.get_close_matches((ctx.invoked_with or "").lower(), names, n=2, cutoff=0.55)
        hint = f"Did you mean {' or '.join(f'`{prefix}{name}`' for name in near)}? " if near else ""
        shown = cards.plain((ctx.invoked_with or "")[:40])
        return UserError(f"I know no command `{prefix}{shown}`.", f"{hint}`{prefix}help` shows what I can do.")

    def _usage(self, ctx: Context) -> str:
        prefix = self.bot.settings.command_prefix
        if ctx.command is None:
            return f"`{prefix}help` shows how commands are used."
        example = ctx.command.extras.get("usage", ctx.command.qualified_name)
        return f"Usage: `{prefix}{example}`"


async def respond(ctx: Context, problem: UserError) -> None:
    """Tell the person: in the channel (only to them where Discord allows), without an embed if need be, or directly."""
    if ctx.interaction is not None:
        await ctx.send(embed=cards.error(problem), ephemeral=True)
        return
    permissions = ctx.bot_permissions
    may_send = (
        permissions.send_messages_in_threads if isinstance(ctx.channel, discord.Thread) else permissions.send_messages
    )
    try:
        if ctx.guild is None or (may_send and permissions.embed_links):
            await ctx.send(embed=cards.error(problem), reference=_reference(ctx))  # type: ignore[arg-type]  # None is allowed
        elif may_send:
            await ctx.send(f"❌ {problem}")
        else:
            await ctx.author.send(embed=cards.error(problem))
    except discord.HTTPException as error:
        log.warning("answer_not_posted", channel_id=ctx.channel.id, status=error.status, code=error.code)


def _reference(ctx: Context) -> discord.MessageReference | None:
    if ctx.guild is not None and not ctx.bot_permissions.read_message_history:
        return None
    return ctx.message.to_reference(fail_if_not_exists=False)


async def setup(bot: Galvanic) -> None:
    """Called by discord.py."""
    await bot.add_cog(Errors(bot))
