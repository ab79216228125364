"""Models that go because their channel is gone, or one that they learned from may no longer be used."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import discord

from bot.core import Core
from bot.jobs.snapshot import cancel_trainings
from bot.models.registry import Registry
from bot.servers.access import was_deleted
from shared.jobs import ReadingRef
from shared.models import ModelRecord


@dataclass(frozen=True)
class Removal:
    """Its methods raise errors of Redis, and those of Discord that pass: they are called again until all is done."""

    core: Core
    registry: Registry

    async def forget_channel(self, guild_id: int, channel_id: int) -> None:
        """Delete the models that nobody can use any more because their channel, or their thread, was deleted.

        Those that learned from its messages go, too, and trainings on them are cancelled: no place is left where
        everybody can read it.
        """
        await self.registry.forget_channel(channel_id)
        read = {note.reading_id for note in await self.registry.notes.all(guild_id) if note.source_id == channel_id}
        await self.forget_words(guild_id, lambda ref: ref.channel_id == channel_id or ref.reading_id in read)
        if (guild := self.core.bot.get_guild(guild_id)) is not None:
            await self._forget_lost(guild, channel_id)

    async def delete(self, model: ModelRecord) -> bool:
        """Delete a model for good, with what is being made, or waits, to take its place. False: it was gone already."""
        removed = await self.registry.remove(model)
        for training in (await self.core.snapshots.look(now=True)).trainings:
            if training.job.replaces == model.model_id:
                await self.core.jobs.cancel(training.job.job_id)
        for other in await self.registry.all(model.guild_id):
            if other.replaces == model.model_id:
                await self.registry.remove(other)
        return removed

    async def forget_words(self, guild_id: int, concerns: Callable[[ReadingRef], bool] = lambda _: True) -> int:
        """Cancel the trainings on some readings of a server, and delete the models that learned any; how many."""
        await cancel_trainings(self.core.snapshots, self.core.jobs, guild_id, concerns)
        models = [model for model in await self.registry.all(guild_id) if any(map(concerns, model.readings))]
        for model in models:
            await self.registry.remove(model)
        return len(models)

    async def forget_lost_channels(self) -> None:
        """Do as `forget_channel` for what was deleted while the bot was away."""
        for guild in self.core.bot.guilds:
            await self._forget_lost(guild)

    async def _forget_lost(self, guild: discord.Guild, deleted: int | None = None) -> None:
        """Only what Discord says is gone counts as gone: a thread that is archived is unknown as well."""
        existing = {channel.id for channel in (*guild.channels, *guild.threads)} - {deleted}

        async def is_lost(channel_id: int) -> bool:
            return channel_id not in existing and (
                channel_id == deleted or await was_deleted(self.core.bot, channel_id)
            )

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
