"""`settings`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from discord import app_commands
from discord.ext import commands

from bot.options.checks import Context
from bot.options.decorators import hybrid_command
from bot.servers import access
from bot.views.settings import settings_panel

if TYPE_CHECKING:
    from bot.client import Galvanic


class ServerSettings(commands.Cog):
    """`settings`."""

    def __init__(self, bot: Galvanic) -> None:
        self.bot = bot

    @hybrid_command(
        extras={"usage": "settings", "examples": ("settings",), "admin": True},
        description="Decide who may use me, where, and how much",
    )
    @commands.guild_only()
    @app_commands.default_permissions(manage_guild=True)
    async def settings(self, ctx: Context) -> None:
        """See and change how I work in this server.

        Who may train and who may generate texts, in which channels, how many trainings at once, how much disk
        for models, what commands begin with, and which words are blocked. With `/settings` only you see it.
        """
        await ctx.defer(ephemeral=True)
        access.require_admin(ctx.author)
        assert ctx.guild is not None
        embed, view = await settings_panel(self.bot, ctx.guild)
        await ctx.send(embed=embed, view=view, ephemeral=True)


async def setup(bot: Galvanic) -> None:
    """Called by discord.py."""
    await bot.add_cog(ServerSettings(bot))
