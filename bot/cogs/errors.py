"""The one place where a failed command is answered."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, get_args

import discord
import structlog
from discord import app_commands
from discord.ext import commands

from bot import cards, problems
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


class Errors(commands.Cog):
    """Turns every error of a command into a message to the person who typed it.

    In this order: an unknown command gets the nearest one, or nothing when none is near; a missing or malformed
    argument gets the command's usage; a command outside a server, on cooldown or without permission gets the reason;
    the rest is explained by `bot.problems`: what a person can mend as it is, an outage of Redis by name, anything
    else logged with its traceback and answered with a sentence that has none.
    """

    def __init__(self, bot: Galvanic) -> None:
        self.bot = bot

    async def cog_load(self) -> None:
        """Answer what fails before a slash command is reached, too."""
        self.bot.tree.error(self._on_tree_error)

    @commands.Cog.listener()
    async def on_command_error(self, ctx: Context, error: commands.CommandError) -> None:
        """Answer the failed command."""
        if isinstance(error, commands.CommandNotFound) and not self._near(ctx):
            return  # most likely meant for another bot with the same prefix
        await respond(ctx, self.explain(ctx, error))

    async def _on_tree_error(
        self, interaction: discord.Interaction[Galvanic], error: app_commands.AppCommandError
    ) -> None:
        if interaction.command is None:  # Discord still shows a command that this version no longer has
            problem = UserError("I don't have this command any more.", "Type `/` to see those I have.")
            await interaction.response.send_message(embed=cards.error(problem), ephemeral=True)
            return
        ctx = await commands.Context.from_interaction(interaction)
        await respond(ctx, self.explain(ctx, error))

    def explain(self, ctx: Context, error: Exception) -> UserError:
        """What to tell the person. Logs what they cannot mend."""
        cause = error
        while isinstance(cause, _WRAPPERS):
            cause = cause.original
        usage = self._usage(ctx)
        match cause:
            case commands.CommandNotFound():
                return self._unknown(ctx)
            case commands.MissingRequiredArgument():
                return UserError("Something is missing from this command.", usage)
            case commands.MissingFlagArgument():
                return UserError(f"`--{cause.flag.name.replace('_', '-')}` needs a value after it.", usage)
            case commands.BadFlagArgument():
                name, value = cause.flag.name.replace("_", "-"), cause.argument[:40]
                kind = "whole number" if int in get_args(cause.flag.annotation) else "number"
                remedy = f"It takes a {kind}. `--{name}`: {cause.flag.description}.\n{usage}"
                return UserError(f"`--{name}` can't be `{cards.plain(value)}`.", remedy)
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
            case _:
                return problems.explain(cause, str(ctx.command))

    def _near(self, ctx: Context) -> list[str]:
        """Commands that resemble the one that does not exist."""
        names = [name for command in self.bot.walk_commands() for name in (command.qualified_name, *command.aliases)]
        return difflib.get_close_matches((ctx.invoked_with or "").lower(), names, n=2, cutoff=0.55)

    def _unknown(self, ctx: Context) -> UserError:
        prefix = self.bot.settings.command_prefix
        near = " or ".join(f"`{prefix}{name}`" for name in self._near(ctx))
        shown = cards.plain((ctx.invoked_with or "")[:40])
        return UserError(f"I know no command `{prefix}{shown}`.", f"Did you mean {near}? `{prefix}help` shows all.")

    def _usage(self, ctx: Context) -> str:
        prefix = self.bot.settings.command_prefix
        if ctx.command is None:
            return f"`{prefix}help` shows how commands are used."
        example = ctx.command.extras.get("usage", ctx.command.qualified_name)
        return f"Usage: `{prefix}{example}`"


async def respond(ctx: Context, problem: UserError) -> None:
    """Tell the person: in the channel (only to them where Discord allows), without an embed if need be, or directly."""
    try:
        await _respond(ctx, problem)
    except discord.HTTPException as error:
        log.warning("answer_not_posted", channel_id=ctx.channel.id, status=error.status, code=error.code)


async def _respond(ctx: Context, problem: UserError) -> None:
    permissions = ctx.bot_permissions
    in_thread = isinstance(ctx.channel, discord.Thread)
    may_send = permissions.send_messages_in_threads if in_thread else permissions.send_messages
    if ctx.interaction is not None:
        await ctx.send(embed=cards.error(problem), ephemeral=True)
    elif ctx.guild is None or (may_send and permissions.embed_links):
        await ctx.send(embed=cards.error(problem), reference=_reference(ctx))  # type: ignore[arg-type]  # None is allowed
    elif may_send:
        await ctx.send(f"❌ {problem}")
    elif ctx.command is not None:
        await ctx.author.send(embed=cards.error(problem))


def _reference(ctx: Context) -> discord.MessageReference | None:
    if ctx.guild is not None and not ctx.bot_permissions.read_message_history:
        return None
    return ctx.message.to_reference(fail_if_not_exists=False)


async def setup(bot: Galvanic) -> None:
    """Called by discord.py."""
    await bot.add_cog(Errors(bot))
