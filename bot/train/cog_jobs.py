"""`jobs`, `cancel` and `finish`."""

from __future__ import annotations

from typing import Literal

import discord
from discord import app_commands
from discord.ext import commands

from bot.jobs import embeds as job_embeds
from bot.jobs.snapshot import Snapshots
from bot.options.autocomplete import in_time
from bot.servers.actor import Actor
from bot.servers.settings import GuildSettingsStore
from bot.train.control import Control
from bot.types import Context, hybrid_command

_JOB = "The training's id, at the bottom of its card; without one, your only training"


class Jobs(commands.Cog):
    def __init__(self, servers: GuildSettingsStore, outlook: Snapshots, control: Control) -> None:
        self._servers = servers
        self._outlook = outlook
        self._control = control

    @hybrid_command(
        aliases=["queue"],
        extras={"usage": "jobs"},
        description="Trainings waiting or running, and when they will be done",
    )
    @commands.guild_only()
    async def jobs(self, ctx: Context) -> None:
        """List this server's trainings: whose they are, how far they have come, and when they are done."""
        await ctx.defer(ephemeral=True)
        who, private = Actor.of(ctx), ctx.interaction is not None
        outlook = await self._outlook.look(now=True)
        rows = [
            job_embeds.Row(
                one,
                own=one.job.place.user_id == who.user.id,
                visible=self._control.may_show(who, one.job, private=private),
            )
            for one in outlook.trainings
            if one.job.place.guild_id == who.guild_id
        ]
        prefix = await self._servers.prefix(who.guild_id)
        await ctx.send(embed=job_embeds.jobs(rows, outlook, who.guild_id, prefix), ephemeral=True)

    @hybrid_command(
        extras={
            "usage": "cancel [JOB]",
            "examples": (
                "cancel",
                "cancel t-1297000000000000021",
            ),
        },
        description="End a training and keep nothing of it",
    )
    @commands.guild_only()
    @app_commands.describe(job=_JOB)
    async def cancel(self, ctx: Context, job: str | None = None) -> None:
        """End your training (moderators: any training) and keep nothing of it."""
        await ctx.defer(ephemeral=True)
        who, job_id = await self._meant(ctx, job, "cancel")
        said = await self._control.cancel(job_id, who.guild_id, who.user)
        await ctx.send(said, ephemeral=True)

    @hybrid_command(
        extras={
            "usage": "finish [JOB]",
            "examples": (
                "finish",
                "finish t-1297000000000000021",
            ),
        },
        description="End a training now and keep the best model so far",
    )
    @commands.guild_only()
    @app_commands.describe(job=_JOB)
    async def finish(self, ctx: Context, job: str | None = None) -> None:
        """End your training (moderators: any training) now, and keep the best model so far."""
        await ctx.defer(ephemeral=True)
        who, job_id = await self._meant(ctx, job, "finish")
        said = await self._control.finish(job_id, who.guild_id, who.user)
        await ctx.send(said, ephemeral=True)

    async def _meant(self, ctx: Context, job: str | None, doing: Literal["cancel", "finish"]) -> tuple[Actor, str]:
        who = Actor.of(ctx)
        if job is not None:
            return who, job.strip("` ")
        return who, await self._control.meant(who, doing, private=ctx.interaction is not None)

    @cancel.autocomplete("job")
    @finish.autocomplete("job")
    async def _trainings(self, interaction: discord.Interaction, typed: str) -> list[app_commands.Choice[str]]:
        return await in_time(self._control.offered(interaction, typed))
