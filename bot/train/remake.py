"""Keeps the promises about channels' words in time: makes stale models again or deletes them, and drops what is over.

All that is found here is computed from Redis each time, so it survives whatever happened in between.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import math
import operator
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import discord
import structlog
from discord.ext import commands
from redis.asyncio import Redis

from bot.background import DISCORD_ERRORS, REDIS_DOWN, Service, redis_call, run_forever, unless_refused
from bot.channels.importer import ImportPlan
from bot.channels.sources import Source, Sources
from bot.channels.store import TranscriptStore
from bot.jobs.client import JobClient
from bot.jobs.snapshot import Snapshots, cancel_trainings
from bot.models.audience import Audience
from bot.models.registry import Registry
from bot.servers import access
from bot.servers.settings import GuildSettingsStore
from galvanic.errors import UserError
from galvanic.options import STARTER, TrainOptions
from shared import keys
from shared.jobs import Job, TrainJob
from shared.models import ModelRecord
from shared.settings import Settings
from shared.transcripts import Revision

EVERY_S = 60.0
"""Between two looks, when nothing happens that calls for one."""
_GATHER_S = 2.0
"""Several members may withdraw in a row: one look is enough for all."""
_TRIES = 6
"""Tries to make a stale model again, in the time there is for it: each shows a card."""
_HOUR_S = 3_600.0

Chore = Callable[[], Awaitable[Any]]
log = structlog.get_logger()


@dataclass(eq=False, repr=False)
class Remaking(Service, commands.Cog):
    """`before`, `after`: what others have to do from time to time, before and after the models are looked at."""

    client: discord.Client
    settings: Settings
    servers: GuildSettingsStore
    jobs: JobClient
    registry: Registry
    redis: Redis
    snapshots: Snapshots
    audience: Audience
    transcripts: TranscriptStore
    sources: Sources
    begin_again: Callable[[ModelRecord, ImportPlan], Awaitable[None]]
    before: list[Chore] = field(default_factory=list)
    after: list[Chore] = field(default_factory=list)
    _wakeup: asyncio.Event = field(default_factory=asyncio.Event)
    _tried: dict[str, float] = field(default_factory=dict)

    def start(self) -> None:
        self.spawn(run_forever("remake", self._look_at_all, every_s=EVERY_S, wakeup=self._wakeup))

    @commands.Cog.listener()
    async def on_words_withdrawn(self) -> None:
        self._wakeup.set()

    @commands.Cog.listener()
    async def on_job_delivered(self, job: Job, _seconds: float | None) -> None:
        if isinstance(job, TrainJob) and job.replaces is not None:
            self._wakeup.set()

    async def _look_at_all(self) -> None:
        await asyncio.sleep(_GATHER_S)
        self._wakeup.clear()
        if self.settings.channel_training == "off":
            await self.attempt(cancel_trainings(self.snapshots, self.jobs, lambda _: True))
        guilds: list[Chore] = [functools.partial(self.look, guild) for guild in self.client.guilds]
        for chore in (*self.before, *guilds, self.forget_unused, *self.after):
            await self.attempt(chore())

    async def attempt(self, part: Awaitable[Any]) -> None:
        """What fails in one part must not keep other servers or models from their turn.

        Raises `redis.RedisError`: Redis cannot be reached, so that the other parts could do nothing either.
        """
        try:
            await part
        except REDIS_DOWN:
            raise
        except Exception:
            log.exception("upkeep_failed")

    async def look(self, guild: discord.Guild) -> None:
        """Do what is due to a server's models. Raises `redis.RedisError`."""
        models = [model for model in await self.registry.all(guild.id) if model.transcripts]
        revisions = await self.registry.revisions([ref.transcript_id for model in models for ref in model.transcripts])
        for model in models:
            await self.attempt(self._look_after(guild, model, models, revisions))

    async def _look_after(
        self, guild: discord.Guild, model: ModelRecord, models: list[ModelRecord], revisions: dict[str, Revision]
    ) -> None:
        known = {one.model_id for one in models}
        if (self.registry.expires(model) or math.inf) <= time.time():
            await self.delete(guild, model, "models of channels are kept only for a limited time")
        elif _withdrawn(model, revisions) and model.replaces in known:
            await self.registry.remove(model)  # somebody withdrew while it was made: the old one gets another
        elif model.replaces is not None and model.replaces not in known:
            await self._inherit(model, model.options.name if model.options is not None else None)
        # A new model that lacks only what was deleted or changed since is better than the one that it replaces.
        elif new := [one for one in models if one.replaces == model.model_id and not _withdrawn(one, revisions)]:
            await self._replace(guild, model, new[0])
        elif model.is_stale(revisions):
            await self._mend(guild, model, revisions)

    # ------------------------------------------------------------------ stale models

    async def _mend(self, guild: discord.Guild, model: ModelRecord, revisions: dict[str, Revision]) -> None:
        """Make a stale model again, or delete it."""
        since, within_s = await self.registry.stale_since(model), _HOUR_S * self.settings.forget_within_hours
        now = time.time()
        # Without its author nothing is left of a model of one member's words.
        if now >= since + within_s - EVERY_S or (model.authors and _withdrawn(model, revisions)):
            await self.delete(guild, model, "a member's words in it were withdrawn")
            return
        # Deletions are frequent, so they are gathered for half the time; a withdrawal is acted upon at once.
        due = since if _withdrawn(model, revisions) else since + within_s / 2
        due = max(due, self._tried.get(model.model_id, -math.inf) + within_s / _TRIES)
        # The channels of an unavailable server are not known: a try would be wasted.
        if now < due or guild.unavailable or await self.is_busy(guild, model):
            return
        self._tried[model.model_id] = now
        try:
            if (plan := await self.plan(guild, model)) is not None:
                await self.begin_again(model, plan)
                log.info("model_made_again", model_id=model.model_id, guild_id=guild.id)
        except (UserError, *DISCORD_ERRORS) as error:
            log.info("model_not_made_again", model_id=model.model_id, guild_id=guild.id, error=type(error).__name__)

    async def is_busy(self, guild: discord.Guild, model: ModelRecord) -> bool:
        """Whether it is being made again, or has to wait: one channel is read at a time in a server."""
        jobs = [one.job for one in (await self.snapshots.look(now=True)).trainings]
        return any(job.replaces == model.model_id or (job.imports and job.place.guild_id == guild.id) for job in jobs)

    async def plan(self, guild: discord.Guild, model: ModelRecord) -> ImportPlan | None:
        """None: it cannot be made again, because it learned from several channels, or that is gone.

        What was too old for the model stays out of it (`bot.train.learn`). Raises `UserError`: the channel may not be
        learned now; or `redis.RedisError`.
        """
        found = [await self.transcripts.load(ref.transcript_id) for ref in model.transcripts]
        known = [one for one in found if one is not None]
        places = {one.info.source_id for one in known}
        if len(places) != 1 or len(model.source_channels) != 1 or model.options is None or model.imported:
            return None
        channel = guild.get_channel_or_thread(places.pop())
        if not isinstance(channel, Source):
            return None
        await self.sources.require_allowed(channel)
        here = guild.get_channel_or_thread(model.channel_id)
        if here is None or not self.audience.all_can_read(guild, here, channel):
            return None
        others = await self.registry.all(guild.id) if model.parent not in (None, STARTER) else []
        parent, options = chain_again(model, model.options, others, self.settings)
        speakers = any(one.info.speakers for one in known)
        after = min(one.info.after for one in known) if len(known) == len(found) else 0
        author_id = next(iter(model.authors), 0)
        return ImportPlan(channel, options, speakers, parent, after, author_id, replaces=model.model_id)

    async def _replace(self, guild: discord.Guild, model: ModelRecord, new: ModelRecord) -> None:
        """Put the new model into the old one's place: its name, and the channels that had chosen it."""
        places = {model.channel_id, *(place.id for place in (*guild.channels, *guild.threads))}
        for channel_id in places:  # where it may have been chosen
            if (await self.servers.channel([channel_id])).model == model.model_id:
                await self.registry.use(channel_id, new)
        model = await self.registry.record(model.model_id) or model  # it may have been unshared meanwhile
        shared = {"shared_with": model.shared_with, "for_server": model.for_server}
        await self.registry.amend(new.model_id, lambda record: record.model_copy(update=shared), numbered=True)
        await self.registry.tell_replaced(guild.id, model.model_id, new.model_id)
        await self._drop(model)
        await self._inherit(new, model.name)
        log.info("model_replaced", model_id=model.model_id, replacement=new.model_id, guild_id=guild.id)

    async def _drop(self, model: ModelRecord) -> None:
        await self.registry.remove(model)
        await redis_call(self.redis.hdel(keys.STALE, model.model_id))

    async def _inherit(self, new: ModelRecord, name: str | None) -> None:
        """Give a model the name of the one that it was made for, which is gone."""
        for wished in (name or new.name, new.name):
            change = operator.methodcaller("model_copy", update={"name": wished, "replaces": None})
            with contextlib.suppress(UserError):  # somebody took the name meanwhile
                await self.registry.amend(new.model_id, change)
                return

    async def delete(self, guild: discord.Guild, model: ModelRecord, why: str) -> None:
        await self._drop(model)
        log.info("model_expired", model_id=model.model_id, guild_id=guild.id, why=why)
        if model.authors:  # the channel needn't know of it
            return
        place = guild.get_channel_or_thread(model.channel_id)
        here = access.channel_ids(place) if isinstance(place, discord.Thread) else [model.channel_id]
        usable = self.registry.among(access.Viewer(guild.id, here), [model])
        named = f"my model `{model.name}`" if usable else "a model of mine"
        channel = self.client.get_partial_messageable(model.channel_id, guild_id=guild.id)
        with unless_refused(log.warning, "deletion_not_told", model_id=model.model_id):
            await channel.send(f"🗑️ I deleted {named}: {why}.")

    # ------------------------------------------------------------------ transcripts

    async def forget_unused(self) -> None:
        """Forget transcripts whose text is gone and that nothing refers to, and when deleted models became stale."""
        for model_id in await redis_call(self.redis.hkeys(keys.STALE)):
            if await self.registry.record(model_id.decode()) is None:
                await redis_call(self.redis.hdel(keys.STALE, model_id))
        transcripts = await self.transcripts.all()
        if not transcripts:
            return
        needed = (await self.snapshots.look(now=True)).transcripts
        for guild_id in {one.info.guild_id for one in transcripts}:
            for model in await self.registry.all(guild_id):
                needed |= {ref.transcript_id for ref in model.transcripts}
        for one in transcripts:
            if one.reading is None and not one.has_text and one.transcript_id not in needed:
                await self.transcripts.forget(one.transcript_id)
                log.info("transcript_forgotten", transcript_id=one.transcript_id, guild_id=one.info.guild_id)


def chain_again(
    model: ModelRecord, options: TrainOptions, others: Sequence[ModelRecord], settings: Settings
) -> tuple[ModelRecord | None, TrainOptions]:
    """Return the nearest ancestor that learned no messages, and options that do all training since then at once.

    `options`: the model's own. `others`: its server's models. The ancestor is None if the chain began with the starter
    or from scratch, or if it is no longer among them.
    """
    visible = [other for other in others if not other.is_private or other.authors == model.authors]
    # Of two models with one name, its author means their own.
    by_name = {other.name: other for other in sorted(visible, key=lambda other: other.is_private)}
    chain = [model]
    while (parent := by_name.get(chain[-1].parent or "")) is not None and parent.transcripts and parent not in chain:
        chain.append(parent)
    ancestor = None if parent is None or parent.transcripts else parent
    once = len(chain) == 1 and (ancestor is not None or model.parent in (None, STARTER))
    again: dict[str, Any] = {"name": model.name}
    if not once:
        epochs = max(1, model.epochs - (ancestor.epochs if ancestor is not None else 0))
        again |= {"epochs": min(epochs, settings.train_max_epochs), "minutes": settings.train_max_minutes}
    return ancestor, options.model_copy(update=again)


def _withdrawn(model: ModelRecord, revisions: dict[str, Revision]) -> bool:
    """Whether a member withdrew since it learned, or nothing is known of a transcript any more."""
    return any(
        (revision := revisions.get(ref.transcript_id)) is None or revision.withdraws(ref) for ref in model.transcripts
    )
