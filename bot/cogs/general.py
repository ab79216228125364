"""`help` and `status`."""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING

import discord
from discord import app_commands
from discord.ext import commands
from redis.exceptions import RedisError

from bot import cards
from bot.checks import Context
from bot.decorators import hybrid_command
from bot.options import Options
from shared.errors import UserError
from shared.jobs import GENERATE_QUEUE, TRAIN_QUEUE

if TYPE_CHECKING:
    from bot.client import Galvanic


class General(commands.Cog):
    """How am I?"""

    def __init__(self, bot: Galvanic) -> None:
        self.bot = bot

    @hybrid_command(name="help", extras={"usage": "help [COMMAND]"}, description="What I can do")
    @app_commands.describe(command="A command to explain")
    async def help_(self, ctx: Context, *, command: str | None = None) -> None:
        """Show what I can do, or how one command is used."""
        if command is not None:
            await ctx.send(embed=self._page(command), ephemeral=True)
            return
        prefix = self.bot.settings.command_prefix
        embed = discord.Embed(
            title="Galvanic learns to write from any text",
            description=(
                f"1. `{prefix}train frankenstein` - I read the book while you watch.\n"
                f"2. `{prefix}generate the monster` - I go on from your words, in its voice."
            ),
            colour=cards.BLURPLE,
        )
        for cog in self.bot.cogs.values():
            lines = [
                f"`{prefix}{known.qualified_name}` - {known.short_doc}"
                for known in cog.get_commands()
                if not known.hidden
            ]
            if lines:
                embed.add_field(name=cog.description, value="\n".join(lines), inline=False)
        embed.set_footer(text=f"{prefix}help COMMAND explains one. Each works as /command too.")
        await ctx.send(embed=embed, ephemeral=True)

    def _page(self, name: str) -> discord.Embed:
        prefix = self.bot.settings.command_prefix
        command = self.bot.get_command(name.strip().removeprefix(prefix).lower())
        if command is None:
            raise UserError(f"I know no command `{cards.plain(name[:40])}`.", f"`{prefix}help` lists them.")
        lines = [command.extras.get("usage", command.qualified_name), *command.extras.get("examples", ())]
        shown = "\n".join(f"{prefix}{line}" for line in lines)
        embed = discord.Embed(
            title=f"{prefix}{command.qualified_name}",
            description=f"{_paragraphs(command.help or '')}\n```\n{shown}\n```",
            colour=cards.BLURPLE,
        )
        annotations = [parameter.annotation for parameter in command.clean_params.values()]
        for flags in (kind for kind in annotations if isinstance(kind, type) and issubclass(kind, Options)):
            for heading, options in flags.described():
                said = "\n".join(f"`{typed}` {description}" for typed, description in options)
                embed.add_field(name=heading, value=said, inline=False)
        return embed

    @hybrid_command(extras={"usage": "status"}, description="Whether all of me is running")
    async def status(self, ctx: Context) -> None:
        """Say whether my workers and my queue are there."""
        await ctx.defer(ephemeral=True)
        embed = discord.Embed(title="Status", colour=cards.GREEN)
        try:
            for queue, does in ((TRAIN_QUEUE, "Training"), (GENERATE_QUEUE, "Writing")):
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


def _paragraphs(text: str) -> str:
    """A docstring without its line ends, which Discord would show."""
    return "\n\n".join(" ".join(part.split()) for part in text.split("\n\n"))


async def setup(bot: Galvanic) -> None:
    """Called by discord.py."""
    await bot.add_cog(General(bot))
