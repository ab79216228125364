"""Answers failed commands, unknown commands, and buttons and forms that no longer work."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
from dataclasses import dataclass

import discord
import structlog
from discord import app_commands
from discord.ext import commands

from bot.background import DISCORD_ERRORS, is_transient
from bot.errors import TOO_LATE, WrongPlace, cause_of, nearest, post_error
from bot.responder import Interaction, Responder, is_mention
from bot.servers.access import Access, require_permissions
from bot.servers.settings import GuildSettingsStore
from bot.types import Context
from bot.words import code
from galvanic.errors import UserError

log = structlog.get_logger()

_TREE_LOG = logging.getLogger("discord.app_commands.tree")
_WORD = re.compile(r"[^\W\d_][\w-]+")
_NO_LONGER = {
    discord.InteractionType.component: UserError(
        "This button or menu no longer works: I was restarted or updated.", "Run the command again."
    ),
    discord.InteractionType.modal_submit: UserError(
        "This form no longer works: I was restarted, or it was open for too long.", "Open it again."
    ),
}
_UNANSWERED_S = 2.0
"""A control still unanswered after this is answered here, within Discord's 3 s."""


@dataclass(eq=False, repr=False)
class Errors(commands.Cog):
    bot: commands.Bot
    servers: GuildSettingsStore
    access: Access
    responder: Responder

    async def cog_load(self) -> None:
        self.bot.tree.error(self._on_tree_error)
        _TREE_LOG.addFilter(_unless_choices_not_taken)

    @commands.Cog.listener()
    async def on_command_error(self, ctx: Context, error: commands.CommandError) -> None:
        unknown = isinstance(error, commands.CommandNotFound)
        if (problem := await (self.unknown(ctx) if unknown else self.explain(ctx, error))) is not None:
            await self.responder.respond(ctx, problem)

    @commands.Cog.listener()
    async def on_interaction(self, interaction: Interaction) -> None:
        """Answer a button, a menu or a form that this run of the bot does not know."""
        if (problem := _NO_LONGER.get(interaction.type)) is None:
            return
        await asyncio.sleep(_UNANSWERED_S)
        if not interaction.response.is_done():
            with contextlib.suppress(discord.InteractionResponded, *DISCORD_ERRORS):  # it was answered elsewhere
                await post_error(interaction.response.send_message, problem, ephemeral=True)

    async def _on_tree_error(self, interaction: Interaction, error: app_commands.AppCommandError) -> None:
        if interaction.command is None:  # Discord still shows a command that this version no longer has
            await self.responder.tell(interaction, self.responder.explain(error, "unknown"))
            return
        ctx: Context = await self.bot.get_context(interaction)
        await self.responder.respond(ctx, await self.explain(ctx, error))

    async def explain(self, ctx: Context, error: Exception) -> UserError:
        """What to tell the person; logged unless they can mend it."""
        cause = cause_of(error)
        if isinstance(cause, discord.Forbidden) and not is_transient(cause) and ctx.guild is not None:
            try:
                require_permissions(ctx)
            except UserError as missing:
                return missing
        prefix = await self._prefix(ctx)
        usage = f"`{prefix}help` shows how commands are used."
        if ctx.command is not None:
            usage = f"Usage: `{prefix}{ctx.command.extras.get('usage', ctx.command.qualified_name)}`"
        return self.responder.explain(cause, str(ctx.command), usage)

    async def _prefix(self, ctx: Context) -> str:
        return await self.servers.prefix(ctx.guild.id if ctx.guild is not None else None)

    async def unknown(self, ctx: Context) -> UserError | None:
        """What to say to an unknown command; None: it is not meant as one, or is another bot's."""
        prefix = await self._prefix(ctx)
        typed = ctx.invoked_with or ""
        # `!!!` and `! wow` are not meant as commands, nor is any word after a mention.
        meant = ctx.message.content[len(ctx.prefix or "") :].startswith(typed) and not is_mention(ctx.prefix)
        word = meant and _WORD.fullmatch(typed) is not None
        known = (command for command in self.bot.walk_commands() if not command.hidden)
        names = [name for command in known for name in (command.qualified_name, *command.aliases)]
        near = nearest(typed, names, prefix, 0.55 if meant else 0.8)
        if not near and not word and ctx.guild is not None:
            return None
        try:
            await self.access.require_place(ctx.author, ctx.channel)
        except WrongPlace as wrong:
            return wrong if near else None
        except Exception as error:
            return await self.explain(ctx, error)
        remedy = f"Did you mean {near}? " if near else ""
        return UserError(f"There is no command {code(f'{prefix}{typed}')}.", f"{remedy}`{prefix}help` lists them all.")


def _unless_choices_not_taken(record: logging.LogRecord) -> bool:
    """Keep discord.py from logging that autocomplete choices came too late, as when somebody types fast."""
    error = record.exc_info[1] if record.exc_info else None
    code = getattr(error, "code", None)
    if not isinstance(error, DISCORD_ERRORS) or (code not in TOO_LATE and not is_transient(error)):
        return True
    log.info("choices_not_taken", error=type(error).__name__, code=code)
    return False
