"""Models that go because their channel is gone, or one that they learned from."""

from __future__ import annotations

from dataclasses import dataclass

import discord

from bot.jobs.client import JobClient
from bot.jobs.snapshot import Snapshots, cancel_trainings
from bot.models.registry import Registry
from bot.servers.access import was_deleted
from galvanic.options import TranscriptRef
from shared.models import ModelRecord


@dataclass(frozen=True)
class Removal:
    """Its methods raise errors of Redis, and those of Discord that pass: they are called again until all is done."""

    client: discord.Client
    registry: Registry
    jobs: JobClient
    snapshots: Snapshots

    async def forget_channel(self, guild_id: int, channel_id: int) -> None:
        """Delete the models that nobody can use any more because their channel, or their thread, was deleted.

        Those that learned from its messages go, too, and trainings on them are cancelled: no place is left where
        everybody can read it.
        """
        await self.registry.forget_channel(channel_id)
        await cancel_trainings(self.snapshots, self.jobs, lambda ref: ref.channel_id == channel_id)
        if (guild := self.client.get_guild(guild_id)) is not None:
            await self._forget_lost(guild, channel_id)

    async def delete(self, model: ModelRecord) -> bool:
        """Delete a model for good, with what is being made, or waits, to take its place. False: it was gone already."""
        removed = await self.registry.remove(model)
        for training in (await self.snapshots.look(now=True)).trainings:
            if training.job.replaces == model.model_id:
                await self.jobs.cancel(training.job.job_id)
        for other in await self.registry.all(model.guild_id):
            if other.replaces == model.model_id:
                await self.registry.remove(other)
        return removed

    async def forget_words(self, guild_id: int, transcript_id: str | None = None) -> None:
        """Cancel the trainings on a server's messages, or on one transcript of them, and delete the models that learned
        from any."""

        def concerns(ref: TranscriptRef) -> bool:
            return ref.guild_id == guild_id and transcript_id in (None, ref.transcript_id)

        await cancel_trainings(self.snapshots, self.jobs, concerns)
        for model in await self.registry.all(guild_id):
            if any(map(concerns, model.transcripts)):
                await self.registry.remove(model)

    async def forget_lost_channels(self) -> None:
        """Do as `forget_channel` for what was deleted while the bot was away."""
        for guild in self.client.guilds:
            await self._forget_lost(guild)

    async def _forget_lost(self, guild: discord.Guild, deleted: int | None = None) -> None:
        """Only what Discord says is gone counts as gone: a thread that is archived is unknown as well."""
        existing = {channel.id for channel in (*guild.channels, *guild.threads)} - {deleted}

        async def is_lost(channel_id: int) -> bool:
            return channel_id not in existing and (channel_id == deleted or await was_deleted(self.client, channel_id))

        # In an outage of Discord's nothing is known.
        models = await self.registry.all(guild.id) if existing and not guild.unavailable else []
        if deleted is not None:  # no other channel is asked about, which might hold this up
            models = [model for model in models if deleted in (model.channel_id, *model.source_channels)]
        for model in models:
            if not model.usable_in(existing, model.owner_id) and await is_lost(model.channel_id):
                await self.registry.remove(model)
                await self.registry.forget_channel(model.channel_id)
            elif any([await is_lost(channel_id) for channel_id in model.source_channels]):
                await self.registry.remove(model)
