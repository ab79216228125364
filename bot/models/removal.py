"""Models that go: deleted by people, or because their channel is gone, or what they learned from; and their files."""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable

import discord
import structlog

from bot.background import REDIS_DOWN, retry
from bot.jobs.client import JobClient
from bot.jobs.snapshot import Snapshots, cancel_trainings
from bot.models.registry import Registry
from bot.servers.access import was_deleted
from shared.jobs import DeleteJob, Place
from shared.models import ModelRecord

_TRY_AGAIN_S = 5.0
_UNSENT = "d-0"
"""A job gets an id of its own when the dispatcher sends it."""

log = structlog.get_logger()


class Removal:
    """Takes models out of the registry for good; their files follow as soon as a worker is there."""

    def __init__(
        self,
        client: discord.Client,
        registry: Registry,
        queue: JobClient,
        outlook: Snapshots,
    ) -> None:
        self._client = client
        self._registry = registry
        self._queue = queue
        self._outlook = outlook

    async def drop(self, model: ModelRecord) -> bool:
        """False: it is gone already."""
        guild = self._client.get_guild(model.guild_id)
        chosen = {model.channel_id, *model.shared_with, *(channels_of(guild) if guild is not None else ())}
        place = Place(guild_id=model.guild_id, channel_id=model.channel_id, user_id=model.owner_id)
        job = DeleteJob(job_id=_UNSENT, place=place, model_id=model.model_id)
        removed = await self._registry.remove(model, chosen, job)
        log.info("model_removed", model_id=model.model_id, guild_id=model.guild_id, removed=removed)
        return removed

    async def forget_channel(self, guild: discord.Guild, channel_id: int) -> None:
        """Delete the models that nobody can use any more because their channel, or their thread, was deleted.

        Those that learned from its messages go, too, and trainings on them are cancelled: no place is left where
        everybody can read it. Discord tells of it only once, so this tries until Redis is there.
        """
        left = [known for known in channels_of(guild) if known != channel_id]

        async def forget() -> None:
            await self._registry.forget_channel(channel_id)
            await cancel_trainings(self._outlook, self._queue, lambda ref: ref.channel_id == channel_id)
            for model in await self._registry.all(guild.id):
                lost = model.channel_id == channel_id and not model.usable_in(left)
                if lost or channel_id in model.source_channels or await self._source_is_gone(model, left):
                    await self.drop(model)

        await self._persist(forget)

    async def forget_lost_channels(self) -> None:
        """As `forget_channel`, for what was deleted while the bot was away. In an outage of Redis the next start does.

        Only what Discord says is gone counts as gone: a thread that is archived is unknown as well.
        """
        try:
            for guild in self._client.guilds:
                known = [] if guild.unavailable else channels_of(guild)
                for model in await self._registry.all(guild.id) if known else ():
                    if not model.usable_in(known) and await was_deleted(self._client, model.channel_id):
                        await self.drop(model)
                        await self._registry.forget_channel(model.channel_id)
                    elif await self._source_is_gone(model, known):
                        await self.drop(model)
        except REDIS_DOWN as error:
            log.warning("redis_unreachable", error=type(error).__name__)

    async def _source_is_gone(self, model: ModelRecord, known: list[int]) -> bool:
        """Whether a channel, or private thread, whose messages it learned from was deleted."""
        unknown = [channel_id for channel_id in model.source_channels if channel_id not in known]
        return any([await was_deleted(self._client, channel_id) for channel_id in unknown])

    async def _persist(self, work: Callable[[], Awaitable[None]]) -> None:
        pauses_s = itertools.repeat(_TRY_AGAIN_S)
        await retry(work, "redis_unreachable", pauses_s=pauses_s, unless=self._client.is_closed)


def channels_of(guild: discord.Guild) -> list[int]:
    """All that the bot knows of, threads included."""
    return [channel.id for channel in guild.channels] + [thread.id for thread in guild.threads]
