"""Trainings on channels: entered while the channel is yet to be read."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import discord

from bot.channels.importer import Importer, ImportPlan
from bot.jobs.client import TRAINING
from bot.servers import access
from bot.servers.access import Actor
from bot.train.start import Trainings, TrainRequest
from bot.types import Send
from shared.jobs import CorpusInfo, Place
from shared.models import ModelRecord

_NO_LIMITS = (1_000_000, 1_000_000)


@dataclass(frozen=True)
class ChannelTrainings:
    importer: Importer
    trainings: Trainings

    async def begin(
        self, who: Actor, plan: Callable[[], Awaitable[ImportPlan]], send: Send, *, by_message: bool
    ) -> None:
        """As `Trainings.begin`; the channel is read in the background. Raises UserError also if another one is."""
        job_id = f"{TRAINING}{who.request_id}"
        if job_id in self.importer.beginning:
            return  # Discord delivered this request before
        created: list[CorpusInfo] = []

        async def prepare() -> TrainRequest:
            planned = await plan()
            created.append(await self.importer.create(job_id, who.place, planned))
            return TrainRequest(created[0], planned.options, planned.parent)

        self.importer.beginning.add(job_id)
        try:
            await self.trainings.begin(who, prepare, send, by_message=by_message)
        finally:
            self.importer.beginning.discard(job_id)
            for corpus in created:  # what was not entered is dropped then
                self.importer.take_up(job_id, corpus)

    async def begin_again(self, model: ModelRecord, plan: ImportPlan) -> None:
        """Read a channel for a model that is to be made again; its card is posted where the model belongs.

        Raises UserError: another channel is being read in this server; redis.RedisError: Redis cannot be reached.
        """
        where = self.importer.client.get_channel(model.channel_id)
        place = Place(guild_id=model.guild_id, channel_id=model.channel_id, user_id=model.owner_id)
        if isinstance(where, discord.Thread):
            place = access.place_of(model.guild_id, where, model.owner_id)
        job_id = f"{TRAINING}{discord.utils.time_snowflake(discord.utils.utcnow(), high=True)}"
        corpus = await self.importer.create(job_id, place, plan)
        request = TrainRequest(corpus, plan.options, plan.parent)
        job = request.job(job_id, place).model_copy(update={"replaces": plan.replaces})
        delivery = self.trainings.delivery
        try:
            with delivery.reserved(job_id):
                await self.trainings.queue.submit_train(job, None, None, _NO_LIMITS)
                delivery.follow(job, None)
        finally:
            self.importer.take_up(job_id, corpus)
