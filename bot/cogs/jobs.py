"""`jobs`, `cancel` and `finish`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import discord
from discord import app_commands
from discord.ext import commands

from bot import cards
from bot.commands.checks import Context
from bot.commands.decorators import hybrid_command
from bot.jobs.jobview import JobView
from bot.people import access
from bot.people.heard import may_quote
from bot.training import training_control
from shared.jobs import TrainJob

if TYPE_CHECKING:
    from bot.client import Galvanic


class Jobs(commands.Cog):
    """`jobs`, `cancel` and `finish`."""

    def __init__(self, bot: Galvanic) -> None:
        self.bot = bot

    @hybrid_command(
        aliases=["queue"],
        extras={"usage": "jobs"},
        description="Trainings waiting or running, and when they will be done",
    )
    @commands.guild_only()
    async def jobs(self, ctx: Context) -> None:
        """List this server's trainings: whose they are, how far they have come, and when they are done."""
        await ctx.defer(ephemeral=True)
        assert ctx.guild is not None
        outlook = await self.bot.outlook.look(now=True)
        rows = [
            cards.Row(one, own=one.job.place.user_id == ctx.author.id, visible=await self._may_show(ctx, one.job))
            for one in outlook.standings
            if one.job.place.guild_id == ctx.guild.id
        ]
        prefix = await self.bot.prefix(ctx.guild)
        await ctx.send(embed=cards.jobs(rows, outlook, ctx.guild.id, prefix), ephemeral=True)

    async def _may_show(self, ctx: Context, job: TrainJob) -> bool:
        """Whether the list may say what a training is about: to the person and, where they typed, to all others."""
        if not training_control.sees(ctx.author, job):
            return False
        if ctx.interaction is not None and job.place.user_id == ctx.author.id:
            return True
        return await may_quote(self.bot, job, JobView(), access.channel_ids(ctx.channel))

    @hybrid_command(
        extras={"usage": "cancel JOB", "examples": ("cancel t-1297000000000000021",)},
        description="End a training and keep nothing of it",
    )
    @commands.guild_only()
    @app_commands.describe(job="The training's id, at the bottom of its card")
    async def cancel(self, ctx: Context, job: str) -> None:
        """End your training (moderators: any training) and keep nothing of it."""
        await ctx.defer(ephemeral=True)
        said = await training_control.cancel(self.bot, job.strip("` "), ctx.guild.id if ctx.guild else None, ctx.author)
        await ctx.send(said, ephemeral=True)

    @hybrid_command(
        extras={"usage": "finish JOB", "examples": ("finish t-1297000000000000021",)},
        description="End a training now and keep the best model so far",
    )
    @commands.guild_only()
    @app_commands.describe(job="The training's id, at the bottom of its card")
    async def finish(self, ctx: Context, job: str) -> None:
        """End your training (moderators: any training) now, and keep the best model so far."""
        await ctx.defer(ephemeral=True)
        said = await training_control.finish(self.bot, job.strip("` "), ctx.guild.id if ctx.guild else None, ctx.author)
        await ctx.send(said, ephemeral=True)

    @cancel.autocomplete("job")
    @finish.autocomplete("job")
    async def _trainings(self, interaction: discord.Interaction, typed: str) -> list[app_commands.Choice[str]]:
        return await self.bot.offers.in_time(training_control.offered(self.bot, interaction, typed))


async def setup(bot: Galvanic) -> None:
    """Called by discord.py."""
    await bot.add_cog(Jobs(bot))
