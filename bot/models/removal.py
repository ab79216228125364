"""Models that go because their channel is gone, or one that they learned from."""

from __future__ import annotations

from dataclasses import dataclass

import discord

from bot.jobs.client import JobClient
from bot.jobs.snapshot import Snapshots, cancel_trainings
from bot.models.registry import Registry
from bot.servers.access import was_deleted
from shared.models import ModelRecord


@dataclass(frozen=True)
class Removal:
    """Its methods raise redis.RedisError: they are called again until all is done."""

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
        left = [known for known in self._channels(guild_id) if known != channel_id]
        for model in await self.registry.all(guild_id) if left else ():
            lost = model.channel_id == channel_id and not model.usable_in(left)
            if lost or channel_id in model.source_channels or await self._source_is_gone(model, left):
                await self.registry.remove(model)

    async def forget_lost_channels(self) -> None:
        """As `forget_channel`, for what was deleted while the bot was away.

        Only what Discord says is gone counts as gone: a thread that is archived is unknown as well.
        """
        for guild in self.client.guilds:
            known = self._channels(guild.id)
            for model in await self.registry.all(guild.id) if known else ():
                if not model.usable_in(known) and await was_deleted(self.client, model.channel_id):
                    await self.registry.remove(model)
                    await self.registry.forget_channel(model.channel_id)
                elif await self._source_is_gone(model, known):
                    await self.registry.remove(model)

    async def _source_is_gone(self, model: ModelRecord, known: list[int]) -> bool:
        """Whether a channel, or private thread, whose messages it learned from was deleted."""
        unknown = [channel_id for channel_id in model.source_channels if channel_id not in known]
        return any([await was_deleted(self.client, channel_id) for channel_id in unknown])

    def _channels(self, guild_id: int) -> list[int]:
        """All that the bot knows of, threads included; none in an outage of Discord's."""
        guild = self.client.get_guild(guild_id)
        return [] if guild is None or guild.unavailable else [one.id for one in (*guild.channels, *guild.threads)]
