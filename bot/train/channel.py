"""Trainings on channels: of the whole channel, or of what was said since a model learned it."""

from __future__ import annotations

import functools
from dataclasses import dataclass

from bot.channels.importer import Importer, ImportPlan
from bot.channels.sources import Sources
from bot.channels.store import TranscriptStore
from bot.components import Press
from bot.models.registry import Registry
from bot.servers.actor import Actor
from bot.servers.settings import GuildSettingsStore
from bot.train import options as train_options
from bot.train.options import TrainFlags
from bot.train.start import Trainings
from bot.types import Send
from shared.errors import UserError
from shared.models import ModelRecord
from shared.settings import Settings


@dataclass(frozen=True)
class ChannelTrainings:
    settings: Settings
    servers: GuildSettingsStore
    registry: Registry
    store: TranscriptStore
    trainings: Trainings
    sources: Sources
    importer: Importer

    async def begin(self, who: Actor, flags: TrainFlags, send: Send, *, by_message: bool) -> None:
        """`train #channel`; arguments and errors as of `Importer.begin`."""
        await self.importer.begin(who, functools.partial(self._plan, who, flags), send, by_message=by_message)

    async def update(self, press: Press) -> None:
        """**Learn new messages**; errors as of `Importer.begin`."""
        plan = functools.partial(self._update, press.actor, press["model"])
        await self.importer.begin(press.actor, plan, press.send, by_message=True)

    async def _plan(self, who: Actor, flags: TrainFlags) -> ImportPlan:
        """The whole channel; from a model that learned it before, what was said since. Errors as of `_update`."""
        assert flags.source is not None
        source = await self.sources.find(who, flags.source)
        parent = await self.registry.choose(who.guild_id, who.here, flags.parent) if flags.parent is not None else None
        options = train_options.chosen(flags, self.settings, parent)
        after = await self._learned_until(parent, source.id) if parent is not None else 0
        return ImportPlan(source, options, speakers=flags.speakers, parent=parent, after=after)

    async def _update(self, who: Actor, model_id: str) -> ImportPlan:
        """What was said since, learned for as long as before.

        Raises `UserError`: the model or the channel is gone or may not be used here, or somebody withdrew;
        `discord.HTTPException`: Discord is in trouble.
        """
        parent = await self.registry.by_id(who.guild_id, who.here, model_id)
        ref = parent.corpus.transcript if parent.corpus is not None else None
        transcript = await self.store.load(ref.transcript_id) if ref is not None else None
        if ref is None:
            raise UserError(f"`{parent.name}` didn't learn from a channel.", "Only models of channels can be updated.")
        if transcript is None:
            raise UserError(
                f"I no longer know what `{parent.name}` learned.",
                f"Learn the channel anew: `{await self.servers.prefix(who.guild_id)}train <#{ref.channel_id}>`.",
            )
        source = await self.sources.find(who, f"<#{transcript.info.source_id}>")
        name = await self.registry.next_name(who.guild_id, who.here, parent)
        options = train_options.again(parent, self.settings).model_copy(update={"name": name})
        after = await self._learned_until(parent, source.id)
        return ImportPlan(source, options, speakers=transcript.info.speakers, parent=parent, after=after)

    async def _learned_until(self, model: ModelRecord, source_id: int) -> int:
        """The last message learned of a channel; 0: none. Raises `UserError`: a member withdrew since."""
        await self.trainings.require_current(model)
        found = [await self.store.load(ref.transcript_id) for ref in model.transcripts]
        return max((one.info.until for one in found if one is not None and one.info.source_id == source_id), default=0)
