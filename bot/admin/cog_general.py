"""`help`, `status` and `sync`, and the answer to a direct message."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import discord
from discord import app_commands
from discord.ext import commands

from bot.admin.status import StatusReport
from bot.background import DISCORD_ERRORS
from bot.errors import WORKS_DIRECTLY
from bot.help import Help
from bot.options import decoding
from bot.options.autocomplete import choices
from bot.servers.access import is_admin
from bot.servers.settings import GuildSettingsStore
from bot.types import Context, User, hybrid_command


@dataclass(eq=False, repr=False)
class General(commands.Cog):
    """`send_commands`: sends Discord the slash commands; how many there are."""

    bot: commands.Bot
    servers: GuildSettingsStore
    pages: Help
    report: StatusReport
    send_commands: Callable[[], Awaitable[int]]

    @hybrid_command(
        name="help",
        extras={"usage": "help [COMMAND]", "examples": ("help", "help train", "help model use")},
        description="Show what I can do, or how a command is used",
    )
    @app_commands.describe(command="A command to explain")
    async def help_(self, ctx: Context, *, command: str | None = None) -> None:
        """Show what I can do, or how one command is used."""
        guild_id = ctx.guild.id if ctx.guild is not None else None
        await ctx.send(**await self.pages.page(command, ctx.author, guild_id), ephemeral=True)

    @help_.autocomplete("command")
    async def _commands(self, interaction: discord.Interaction, typed: str) -> list[app_commands.Choice[str]]:
        return choices(self.pages.names(interaction.user), typed)

    @hybrid_command(
        extras={"usage": "status", "examples": ("status",)}, description="Show whether all my parts are running"
    )
    async def status(self, ctx: Context) -> None:
        """Show whether my workers and my job queue are running.

        Members with Manage Server, and the bot's owner, see more: what the workers run on, the trainings, how fast
        people are answered, and how much room there is, of all servers together.
        """
        await ctx.defer(ephemeral=True)
        full = is_admin(ctx.author) or await self._is_owner(ctx.author)
        await ctx.send(embed=await self.report.embed(full=full), ephemeral=True)

    async def _is_owner(self, user: User) -> bool:
        """False also when Discord does not say so now."""
        try:
            return await self.bot.is_owner(user)
        except DISCORD_ERRORS:
            return False

    @commands.command(
        hidden=True, extras={"usage": "sync", "examples": ("sync",)}, description="Send Discord my slash commands again"
    )
    @commands.is_owner()
    async def sync(self, ctx: Context) -> None:
        """Send Discord my slash commands, even if they haven't changed.

        For the bot's operator; it happens by itself when they have changed.
        """
        async with ctx.typing():
            count = await self.send_commands()
        await ctx.send(f"Discord has my {count} slash commands now. You may have to restart Discord to see them.")

    @commands.Cog.listener()
    async def on_message(self, message: discord.Message) -> None:
        """Tell somebody who writes directly what works there; commands and mentions are answered elsewhere."""
        assert self.bot.user is not None
        if message.guild is not None or message.author.bot or decoding.to_bot(message, self.bot.user.id) is not None:
            return
        ctx: Context = await self.bot.get_context(message)
        if ctx.command is None and not ctx.invoked_with:
            prefix = await self.servers.prefix(None)
            await ctx.send(
                f"My commands begin with `{prefix}`: `{prefix}help` shows them. I work in servers; here I can do "
                f"{WORKS_DIRECTLY}."
            )
