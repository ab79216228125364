"""`help`, `status` and `sync`, and the answer to a direct message."""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING

import discord
from discord import app_commands
from discord.ext import commands
from redis.exceptions import RedisError

from bot import cards
from bot.errors import WORKS_DIRECTLY
from bot.failures import TRANSIENT
from bot.metrics.status import status_of
from bot.options import decoding
from bot.options.autocomplete import choices
from bot.options.checks import Context
from bot.options.decorators import hybrid_command
from bot.servers import access
from bot.syncing import force_sync
from bot.views.help import for_person, help_page
from shared.jobs import GENERATE_QUEUE, TRAIN_QUEUE

if TYPE_CHECKING:
    from bot.client import Galvanic


class General(commands.Cog):
    """`help`, `status` and `sync`, and the answer to a direct message."""

    def __init__(self, bot: Galvanic) -> None:
        self.bot = bot

    @hybrid_command(
        name="help",
        extras={"usage": "help [COMMAND]", "examples": ("help", "help train", "help model use")},
        description="Show what I can do, or how a command is used",
    )
    @app_commands.describe(command="A command to explain")
    async def help_(self, ctx: Context, *, command: str | None = None) -> None:
        """Show what I can do, or how one command is used."""
        guild_id = ctx.guild.id if ctx.guild is not None else None
        embed, view = await help_page(self.bot, command, ctx.author, guild_id)
        await ctx.send(embed=embed, view=view, ephemeral=True)

    @help_.autocomplete("command")
    async def _commands(self, interaction: discord.Interaction, typed: str) -> list[app_commands.Choice[str]]:
        known = [command for command in self.bot.walk_commands() if for_person(command, interaction.user)]
        return choices(sorted(command.qualified_name for command in known), typed)

    @hybrid_command(
        extras={"usage": "status", "examples": ("status",)}, description="Show whether all my parts are running"
    )
    async def status(self, ctx: Context) -> None:
        """Show whether my workers and my job queue are running.

        Members with Manage Server, and the bot's owner, see more: what the workers run on, the trainings, how fast
        people are answered, and how much room there is, of all servers together.
        """
        await ctx.defer(ephemeral=True)
        embed = discord.Embed(title="Status", colour=cards.GREEN)
        try:
            if access.is_admin(ctx.author) or await self._is_owner(ctx.author):
                await ctx.send(embed=cards.status(await status_of(self.bot)), ephemeral=True)
                return
            for queue, does in ((TRAIN_QUEUE, "Training"), (GENERATE_QUEUE, "Generating")):
                there = await self.bot.queue.has_worker(queue)
                embed.add_field(name=does, value="✅ worker running" if there else "⚠️ no worker")
                if not there:
                    embed.colour = cards.AMBER
        except RedisError:
            embed.colour = cards.RED
            embed.description = "❌ The job queue (Redis) can't be reached."
        latency = self.bot.latency
        if latency == latency:  # NaN until the first heartbeat is answered
            embed.add_field(name="Discord", value=f"{latency * 1000:.0f} ms away")
        embed.set_footer(text=f"discord.py {discord.__version__}, Python {platform.python_version()}")
        await ctx.send(embed=embed, ephemeral=True)

    async def _is_owner(self, user: discord.User | discord.Member) -> bool:
        """Whether somebody is the bot's owner, as far as Discord says so now."""
        try:
            return await self.bot.is_owner(user)
        except (discord.HTTPException, *TRANSIENT):
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
            count = await force_sync(self.bot)
        await ctx.send(f"Discord has my {count} slash commands now. You may have to restart Discord to see them.")

    @commands.Cog.listener()
    async def on_message(self, message: discord.Message) -> None:
        """Tell somebody who writes to me directly what I can do there; commands and mentions are answered elsewhere."""
        assert self.bot.user is not None
        if message.guild is not None or message.author.bot or decoding.to_bot(message, self.bot.user.id) is not None:
            return
        ctx: Context = await self.bot.get_context(message)
        if ctx.command is None and not ctx.invoked_with:
            prefix = await self.bot.prefix(None)
            await ctx.send(
                f"My commands begin with `{prefix}`: `{prefix}help` shows them. I work in servers; here I can do "
                f"{WORKS_DIRECTLY}."
            )


async def setup(bot: Galvanic) -> None:
    """Called by discord.py."""
    await bot.add_cog(General(bot))
