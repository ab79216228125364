"""Models that go because their channel is gone, or one that they learned from may no longer be used."""

from collections.abc import Callable
from dataclasses import dataclass

import discord

from bot.core import Core
from bot.jobs.snapshot import cancel_trainings
from bot.models.registry import Registry
from shared.jobs import ReadingRef
from shared.models import ModelRecord


@dataclass(frozen=True)
class Removal:
    """Deletes models whose channel is gone, or that learned from a channel that may no longer be used.

    Its methods raise errors of Redis, and those of Discord that pass: they are called again until all is done.
    """

    core: Core
    registry: Registry

    async def forget_channel(self, guild_id: int, channel_id: int) -> None:
        """Delete the models that nobody can use any more because their channel, or their thread, was deleted.

        Those that learned from its messages go, too, and trainings on them are cancelled: no place is left where
        everybody can read it.
        """
        await self.registry.forget_channel(channel_id)
        # Trainings first: one that gets its text meanwhile then has a note.
        readings = [job.reading for job in await self.core.snapshots.trainings() if job.reading is not None]
        notes = await self.registry.notes.all(guild_id)
        read = {reading.reading_id for reading in (*readings, *notes) if reading.source_id == channel_id}
        await self.forget_words(guild_id, lambda ref: ref.channel_id == channel_id or ref.reading_id in read)
        existing = existing_channels(self.core.bot.get_guild(guild_id)) - {channel_id}
        for model in await self.registry.all(guild_id):
            if model.channel_id == channel_id and existing and not model.usable_in(existing, model.owner_id):
                await self.registry.remove(model)

    async def delete(self, model: ModelRecord) -> bool:
        """Delete a model for good, with what is being made, or waits, to take its place. False: it was gone already."""
        # In this order: after a failure in between, the model is there and can be deleted again.
        for job in await self.core.snapshots.trainings():
            if job.replaces == model.model_id:
                await self.core.jobs.cancel(job.job_id)
        for other in await self.registry.all(model.guild_id):
            if other.replaces == model.model_id:
                await self.registry.remove(other)
        return await self.registry.remove(model)

    async def forget_words(self, guild_id: int, concerns: Callable[[ReadingRef], bool] = lambda _: True) -> int:
        """Cancel trainings on some readings of a server, and delete models that learned any; return their number."""
        await cancel_trainings(self.core.snapshots, self.core.jobs, guild_id, concerns)
        models = [model for model in await self.registry.all(guild_id) if any(map(concerns, model.readings))]
        for model in models:
            await self.registry.remove(model)
        return len(models)


def existing_channels(guild: discord.Guild | None) -> set[int]:
    """Return the ids of a server's channels and threads; none in an outage of Discord, when nothing is known."""
    if guild is None or guild.unavailable:
        return set()
    return {channel.id for channel in (*guild.channels, *guild.threads)}
