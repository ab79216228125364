"""Makes channels' models again: after a withdrawal, when they are too old, and when `learn` says so.

All that is due is computed from Redis each time, so it survives whatever happened in between.
"""

import asyncio
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

from bot.background import DISCORD_ERRORS, BackgroundService, failure_logged, run_forever, unless_refused
from bot.channels.sources import Source, Sources
from bot.core import Core
from bot.jobs.snapshot import cancel_trainings
from bot.models.audience import Audience
from bot.models.readings import ReadingNote, is_withdrawn
from bot.models.registry import Registry
from bot.servers.access import Viewer, channel_ids
from bot.train.start import Trainings, TrainRequest
from bot.words import as_typed
from galvanic.errors import UserError
from galvanic.options import STARTER, TrainOptions
from shared.jobs import Job, TrainJob
from shared.models import ModelRecord
from shared.settings import Settings

EVERY_S = 60.0  # between two looks, when nothing happens that calls for one
_GATHER_S = 2.0  # several members may withdraw in a row: one look is enough for all
_TRIES = 6  # to make a model again, in the time that there is for it: each shows a card

Chore = Callable[[], Awaitable[Any]]
log = structlog.get_logger()


class NeverAgain(UserError):
    """A model cannot be made again by itself."""


@dataclass(eq=False, repr=False)
class Remaking(BackgroundService, commands.Cog):
    """Looks after channels' models. `before`: what is to be done before each look."""

    core: Core
    registry: Registry
    audience: Audience
    sources: Sources
    trainings: Trainings
    before: Sequence[Chore]
    _wakeup: asyncio.Event = field(init=False, default_factory=asyncio.Event)
    _tried: dict[str, float] = field(init=False, default_factory=dict)
    _unused: set[str] = field(init=False, default_factory=set)
    """Readings that nothing named at the last look."""

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
        if self.core.settings.channel_training == "off":
            with failure_logged("upkeep_failed"):
                await cancel_trainings(self.core.snapshots, self.core.jobs, None, lambda ref: ref.channel_id > 0)
        guilds: list[Chore] = [functools.partial(self.look, guild) for guild in self.core.bot.guilds]
        for chore in (*self.before, *guilds, self.delete_unseen, self.forget_unused):
            with failure_logged("upkeep_failed"):
                await chore()

    async def delete_unseen(self) -> None:
        """Delete models whose time is over in servers that the bot is not in, as in another application's.

        Nothing is noted there: that application may be started again, and make them again in time.
        """
        here = {guild.id for guild in self.core.bot.guilds}
        for guild_id in set((await self.registry.notes.ids()).values()) - here:
            models = [model for model in await self.registry.all(guild_id) if model.readings]
            notes = await self.registry.notes.of(ref for model in models for ref in model.readings)
            for model in models:
                known = all(ref.reading_id in notes for ref in model.readings)
                withdrawn_own = bool(model.authors) and is_withdrawn(model.readings, notes)
                old_at = await self.registry.renewed_by(model) or math.inf
                gone_by = await self.registry.gone_by(model) or old_at + self.registry.renew_within_s
                if not known or withdrawn_own or time.time() >= gone_by:
                    await self.registry.remove(model)

    async def look(self, guild: discord.Guild) -> None:
        """Do what is due to a server's models. Raises `redis.RedisError`."""
        models = [model for model in await self.registry.all(guild.id) if model.readings]
        notes = await self.registry.notes.of(ref for model in models for ref in model.readings)
        for model in models:
            with failure_logged("upkeep_failed"):
                await self._look_after(guild, model, models, notes)

    async def _look_after(
        self, guild: discord.Guild, model: ModelRecord, models: list[ModelRecord], notes: dict[str, ReadingNote]
    ) -> None:
        ids = {other.model_id for other in models}
        heirs = (other for other in models if other.replaces == model.model_id)
        new = next((heir for heir in heirs if not is_withdrawn(heir.readings, notes)), None)
        if model.replaces in ids and is_withdrawn(model.readings, notes):
            await self.registry.remove(model)  # somebody withdrew while it was made: the old one gets another
        elif model.replaces is not None and model.replaces not in ids:
            await self._inherit(model, model.options.name if model.options is not None else None)
        elif new is not None:
            # In an outage its channels, which may have chosen the old one, are not known.
            if not guild.unavailable and not await self._is_parent_to_be(model):
                await self._replace(guild, model, new)
        elif any(ref.reading_id not in notes for ref in model.readings):
            await self.delete(guild, model, "I no longer know what it learned")
        elif is_withdrawn(model.readings, notes):
            # Without its author nothing is left of a model of one member's words.
            end = self.delete if model.authors else self._renew
            await end(guild, model, "a member's words in it were withdrawn")
        elif await self._is_old(model, notes):
            await self._renew(guild, model, "it was too old, and could not be made again")

    async def _is_parent_to_be(self, model: ModelRecord) -> bool:
        """Return whether a training starts from a model, and has no copy of it yet; no longer once its time is over."""
        if time.time() >= (await self.registry.gone_by(model) or math.inf) - EVERY_S:
            return False
        trainings = (await self.core.snapshots.look(now=True)).trainings
        parents = [training.job.parent for training in trainings if training.progress is None]
        return any(parent is not None and parent.model_id == model.model_id for parent in parents)

    async def _is_old(self, model: ModelRecord, notes: dict[str, ReadingNote]) -> bool:
        """Return whether something that a model learned is too old; time is running for it from then on."""
        read_before = time.time() - self.registry.lifetime_s
        old = [
            ref.reading_id for ref in model.readings if ref.channel_id and notes[ref.reading_id].read_at <= read_before
        ]
        for reading_id in old:
            await self.registry.notes.mark(reading_id, "outdated")
        return bool(old)

    # ------------------------------------------------------------------ making one model again

    async def _renew(self, guild: discord.Guild, model: ModelRecord, why: str) -> None:
        """Make a model again, or delete it if that can never be done or its time is over."""
        now, within_s = time.time(), self.registry.forget_within_s
        gone_by = await self.registry.gone_by(model) or now + within_s
        if now >= gone_by - EVERY_S:
            await self.delete(guild, model, why)
        elif now >= self._tried.get(model.model_id, -math.inf) + within_s / _TRIES:
            try:
                await self.make_again(guild, model)
                self._tried[model.model_id] = now
            except NeverAgain:
                await self.delete(guild, model, why)
            except (UserError, *DISCORD_ERRORS) as error:
                log.debug(
                    "model_not_made_again", model_id=model.model_id, guild_id=guild.id, error=type(error).__name__
                )

    async def make_again(self, guild: discord.Guild, model: ModelRecord, *, limited: bool = False) -> None:
        """Train a model again, as it was trained, on its channel as it is now. The new one takes its place at the end.

        `limited`: within the quotas. Raises UserError: that can't be done, or not now; DISCORD_ERRORS.
        """
        request = await self.request(guild, model)  # first: what can never be made again need not wait
        coming = [job for job in await self.core.snapshots.trainings() if job.replaces is not None]
        if not limited and any(job.is_unread and job.place.guild_id == guild.id for job in coming):
            raise UserError("A model of this server is being made again.", "This one comes next.")
        await self.trainings.begin_again(model, request, limited=limited)
        log.info("model_made_again", model_id=model.model_id, guild_id=guild.id)

    async def request(self, guild: discord.Guild, model: ModelRecord) -> TrainRequest:
        """Return a request to train a model again on its channel, from its first message on and for as many epochs.

        Raises `NeverAgain`; `UserError`: not now; `redis.RedisError`.
        """
        notes = (await self.registry.notes.of(model.readings)).values()
        sources = {(note.source_id, note.channel_id) for note in notes}
        trained = model.corpus is not None and model.corpus.source == "channel" and not model.imported
        if len(sources) != 1 or not trained or model.options is None:
            prefix = await self.core.servers.prefix(guild.id)
            train = as_typed(prefix, "train", "source", "#general")
            raise NeverAgain(
                f"`{model.name}` isn't a model that I trained on one channel alone.",
                f"First `{train}`, then `{as_typed(prefix, 'learn', 'when', 'nightly')}`.",
            )
        ((source_id, _),) = sources
        channel = guild.get_channel_or_thread(source_id)
        if not isinstance(channel, Source):
            raise UserError(f"I don't see <#{source_id}> now, which `{model.name}` learned.", "Is it archived?")
        await self.sources.require_allowed(channel)
        place = guild.get_channel_or_thread(model.channel_id)
        if place is None or not self.audience.may_use(guild.id, channel_ids(place), [channel.id]):
            raise UserError(
                f"Not everybody who reads <#{model.channel_id}> can read {channel.mention}.",
                "Train the channel anew where all its readers are.",
            )
        others = await self.registry.all(guild.id) if model.parent not in (None, STARTER) else []
        # A name may be another model's by now, and its text for others alone: one to start from must be usable here.
        usable = {other.model_id for other in await self.registry.among(Viewer(guild.id, channel_ids(place)), others)}
        candidates = [other for other in others if other.readings or other.model_id in usable]
        parent, options = chain_again(model, model.options, candidates, self.core.settings)
        return self.trainings.of_messages(
            channel,
            options,
            parent,
            replaces=model.model_id,
            speakers=any(note.speakers for note in notes),
            after=min(note.after for note in notes),
            author_id=next(iter(model.authors), 0),
        )

    async def _replace(self, guild: discord.Guild, model: ModelRecord, new: ModelRecord) -> None:
        """Put the new model into the old one's place: its name, and the channels that had chosen it."""
        places = {model.channel_id, *(place.id for place in (*guild.channels, *guild.threads))}
        for channel_id in places:  # where it may have been chosen
            if (await self.core.servers.channel([channel_id])).model == model.model_id:
                await self.registry.use(channel_id, new)
        model = await self.registry.record(model.model_id) or model  # it may have been unshared meanwhile
        shared = {"shared_with": model.shared_with, "for_server": model.for_server}
        await self.registry.amend(new, lambda record: record.model_copy(update=shared), numbered=True)
        for follow in self.registry.replaced:
            await follow(guild.id, model.model_id, new.model_id)
        await self.registry.remove(model)
        await self._inherit(new, model.name)
        log.info("model_replaced", model_id=model.model_id, replacement=new.model_id, guild_id=guild.id)

    async def _inherit(self, new: ModelRecord, name: str | None) -> None:
        """Give a model the name of the deleted one that it replaces, with a number if the name was taken since."""
        change = operator.methodcaller("model_copy", update={"name": name or new.name, "replaces": None})
        await self.registry.amend(new, change, numbered=True)

    async def delete(self, guild: discord.Guild, model: ModelRecord, why: str) -> None:
        """Delete a model, and tell its channel."""
        await self.registry.remove(model)
        log.info("model_expired", model_id=model.model_id, guild_id=guild.id, why=why)
        if model.authors:  # the channel needn't know of it
            return
        place = guild.get_channel_or_thread(model.channel_id)
        place_ids = channel_ids(place) if isinstance(place, discord.Thread) else [model.channel_id]
        may_use = self.audience.may_use(guild.id, place_ids, model.source_channels)
        named = f"my model `{model.name}`" if may_use and model.usable_in(place_ids) else "a model of mine"
        channel = self.core.bot.get_partial_messageable(model.channel_id, guild_id=guild.id)
        train = as_typed(await self.core.servers.prefix(guild.id), "train", "source", "#CHANNEL")
        new = f" `{train}` makes a new one." if self.core.settings.channel_training != "off" else ""
        with unless_refused(log.warning, "deletion_not_told", model_id=model.model_id):
            await channel.send(f"🗑️ I deleted {named}: {why}.{new}")

    async def forget_unused(self) -> None:
        """Forget the readings that no model and no training has named since the last look.

        An export's pages are kept before its training is entered.
        """
        notes = self.registry.notes
        ids = await notes.ids()
        if not ids:
            return
        needed = (await self.core.snapshots.look(now=True)).readings
        # A training that ended before the look has its model in the registry.
        for guild_id in set(ids.values()):
            needed |= {ref.reading_id for model in await self.registry.all(guild_id) for ref in model.readings}
        # A training may have begun meanwhile, with a model that is gone since.
        needed |= (await self.core.snapshots.look(now=True)).readings
        unused = ids.keys() - needed
        for reading_id in unused & self._unused:
            await notes.forget(reading_id)
        self._unused = unused


def chain_again(
    model: ModelRecord, options: TrainOptions, others: Sequence[ModelRecord], settings: Settings
) -> tuple[ModelRecord | None, TrainOptions]:
    """Return the nearest ancestor that learned no messages, and options that do all training since then at once.

    `options`: the model's own, which are brought within the limits of now. `others`: models of its server. The ancestor
    is None if the chain began with the starter or from scratch, or if it is no longer among them.
    """
    visible = [other for other in others if not other.is_private or other.authors == model.authors]
    # Of two models with one name, its author means their own.
    by_name = {other.name: other for other in sorted(visible, key=lambda other: other.is_private)}
    chain = [model]
    while (parent := by_name.get(chain[-1].parent or "")) is not None and parent.readings and parent not in chain:
        chain.append(parent)
    ancestor = None if parent is None or parent.readings else parent
    once = len(chain) == 1 and (ancestor is not None or model.parent in (None, STARTER))
    epochs, minutes = options.epochs, options.minutes
    if not once:
        epochs = max(1, model.epochs - (ancestor.epochs if ancestor is not None else 0))
        minutes = settings.train_max_minutes
    again = {
        "name": model.name,
        "epochs": epochs and min(epochs, settings.train_max_epochs),
        "minutes": minutes and min(minutes, settings.train_max_minutes),
    }
    return ancestor, options.model_copy(update=again)
