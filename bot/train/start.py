"""Begins trainings: for commands, for buttons, and for models that are made again."""

import asyncio
import functools
import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import discord
import structlog

from bot.channels.reading import ChannelReadings
from bot.channels.sources import Source, room_of
from bot.components import MODEL, Components, Press
from bot.core import Core
from bot.jobs.client import TRAINING
from bot.models.registry import MOST_OWN, Registry
from bot.servers import access
from bot.servers.access import Actor
from bot.train import options as train_options
from bot.train.uploads import Uploads
from bot.words import as_typed
from galvanic.errors import UserError
from galvanic.options import CorpusInfo, TrainOptions
from galvanic.read.chat import ChatOptions
from galvanic.read.text import slugify
from galvanic.units import MEGABYTE, count
from shared.corpora.corpus import Corpus
from shared.jobs import ChannelReading, Place, TrainJob
from shared.logging import job_context
from shared.models import MOST_MODELS, ModelRecord
from shared.queues import PUBLIC_SOURCES

DEMO_MINUTES = 2.0  # of a newcomer's first training, at most
_LICENCES = {
    "opt-in": "Messages of this server's members, used with their consent.",
    "opt-out": "Messages of this server's members who have not objected.",
}

log = structlog.get_logger()


@dataclass(frozen=True)
class TrainRequest:
    """A request for a training.

    Attributes:
        corpus: a text; of a channel that is yet to be read, only what is known of it.
        parent: the model to start from; None: a new model.
        reading: what is to be read of a channel.
        replaces: id of the model whose place the new one takes.
        pages: the channel's messages, from an export; none: they are yet to be read.
    """

    corpus: Corpus | CorpusInfo
    options: TrainOptions
    parent: ModelRecord | None = None
    reading: ChannelReading | None = None
    replaces: str | None = None
    pages: Sequence[bytes] = field(default=(), repr=False)

    def job(self, job_id: str, place: Place) -> TrainJob:
        """Return the job of this request."""
        of_parent: dict[str, Any] = {}
        if (parent := self.parent) is not None:
            of_parent = {
                "parent": parent.ref,
                "parent_readings": parent.readings,
                "parent_scope": parent.scope,
                "parent_origins": parent.origins,
                "owner_id": parent.owner_id if parent.origins and parent.owner_id != place.user_id else 0,
            }
        return TrainJob(
            job_id=job_id,
            place=place,
            corpus=self.corpus.info if isinstance(self.corpus, Corpus) else self.corpus,
            options=self.options,
            reading=self.reading,
            author_id=self.reading.author_id if self.reading is not None else 0,
            replaces=self.replaces,
            **of_parent,
        )


@dataclass(eq=False, repr=False)
class Trainings:
    """Begins trainings: checks the person and the quotas, gets the text, and sends the job."""

    core: Core
    registry: Registry
    readings: ChannelReadings
    uploads: Uploads
    _entering: asyncio.Lock = field(init=False, default_factory=asyncio.Lock)

    async def begin(self, actor: Actor, prepare: Callable[[], Awaitable[TrainRequest | None]]) -> bool:
        """Check who may, get the text, and send the training on its way; its card follows by itself.

        Return whether one was begun. A request that is refused or fails costs no cooldown. `prepare` is called once all
        is well so far, for it may take long; None: it has asked the person whether to begin.

        Raises UserError: they may not, not here, or not yet; or what `prepare` refuses; redis.RedisError: Redis cannot
        be reached; nothing was begun.
        """
        job_id = f"{TRAINING}{actor.request_id}"
        if await self.core.jobs.load(job_id) is not None:
            return False  # Discord delivered this request before
        await self.core.access.require("train", actor)
        await self.require_quota(actor.guild_id, actor.user.id)
        with self.core.access.cooldown("train", actor):
            if (request := await prepare()) is None:
                return False
            job = request.job(job_id, actor.place)
            if request.parent is not None:
                await self._require_current(request.parent)
            await self._require_own(actor, job.author_id, request.parent)
            if request.pages and job.reading is not None:
                await self.readings.pages.put(actor.guild_id, job.reading.reading_id, request.pages)
            text = request.corpus.text if isinstance(request.corpus, Corpus) else None
            return await self._submit(job, text)

    def register(self, components: Components) -> None:
        components.add("more", functools.partial(self._pressed_more, newer=False), MODEL)
        components.add("update", functools.partial(self._pressed_more, newer=True), MODEL)
        components.add("demo", self.start_demo)

    async def _pressed_more(self, press: Press, *, newer: bool) -> None:
        """**Train more** and (`newer`) **Learn new messages** under a finished card: for as long as before."""
        actor = press.actor
        parent = await self.registry.by_id(actor.viewer, press["model"])
        options = train_options.again(parent, self.core.settings)
        await self.begin_more(actor, parent, options, newer=newer)

    async def begin_more(
        self, actor: Actor, parent: ModelRecord, options: TrainOptions, *, newer: bool = False
    ) -> bool:
        """Train a model further on its own text; a channel is read again, or (`newer`) what was said since.

        Raises as `begin`, `text_again` and `_read_further`.
        """

        async def prepare() -> TrainRequest:
            corpus = await self.text_again(actor, parent)
            return TrainRequest(corpus, await self._with_name(actor, parent, options), parent)

        is_of_channel = parent.corpus is not None and parent.corpus.source == "channel"
        again = functools.partial(self._read_further, actor, parent, options, newer=newer)
        return await self.begin(actor, again if newer or is_of_channel else prepare)

    async def _read_further(
        self, actor: Actor, parent: ModelRecord, options: TrainOptions, *, newer: bool
    ) -> TrainRequest:
        """Return a request to read a model's channel again, or (`newer`) what was said since, and go on from the model.

        Raises UserError: it learned no channel, or somebody withdrew; or as `Sources.find`.
        """
        await self._require_current(parent)
        note = await self.registry.notes.own(parent)
        if note is None:
            raise UserError(f"`{parent.name}` didn't learn from a channel.", "Name the channel that it should learn.")
        if not note.source_id:
            raise UserError(
                f"`{parent.name}` learned a file of yours that I don't keep.",
                f"Attach a newer one, with `--from {parent.name}`.",
            )
        source = await self.readings.sources.find(actor, f"<#{note.source_id}>", own=bool(note.author_id))
        return self.of_messages(
            source,
            await self._with_name(actor, parent, options),
            parent,
            speakers=note.speakers,
            after=await self.learned_until(parent, source.id) if newer else note.after,
            author_id=note.author_id,
        )

    async def learned_until(self, model: ModelRecord, source_id: int) -> int:
        """Return the last message that a model has learned of a channel; 0: none."""
        notes = await self.registry.notes.of(model.readings)
        return max((note.until for note in notes.values() if note.source_id == source_id), default=0)

    async def _with_name(self, actor: Actor, parent: ModelRecord, options: TrainOptions) -> TrainOptions:
        """Return options with the next name after the parent's, unless somebody chose one."""
        name = options.name or await self.registry.next_name(actor.viewer, parent)
        return options.model_copy(update={"name": name})

    async def start_demo(self, press: Press) -> None:
        """Begin with some minutes of *Frankenstein*, or of a text that is here if it can't be fetched."""

        async def prepare() -> TrainRequest:
            try:
                corpus = await self._named(press.actor, "frankenstein")
            except UserError as error:
                log.info("book_not_fetched", reason=error.problem)
                corpus = await self._named(press.actor, "python-docs")
            return TrainRequest(corpus, TrainOptions(minutes=min(DEMO_MINUTES, self.core.settings.train_max_minutes)))

        await self.begin(press.actor, prepare)

    async def _require_current(self, model: ModelRecord) -> None:
        """Check that no words were withdrawn that a model learned. Raises `UserError`."""
        if await self.registry.is_withdrawn(model.readings):
            raise UserError(
                f"`{model.name}` learned from words that have since been withdrawn, so it isn't trained further.",
                "It is made again without them, or deleted. Choose another one.",
            )

    async def _require_own(self, actor: Actor, author_id: int, parent: ModelRecord | None) -> None:
        """Refuse to learn a member's own words with others', for another member, or in too many models.

        Nobody but they sees these models. `author_id` 0: the text is not one member's. Raises UserError.
        """
        own = {author_id} - {0}
        if (parent is not None and parent.authors != own) or not own <= {actor.user.id}:
            raise UserError(
                "A member's own words are learned for that member alone, and not together with other texts.",
                "Leave out `--from`, or start from a model of your own words with `@me #CHANNEL`.",
            )
        if own:
            of_actor = (actor.guild_id, actor.user.id)
            coming = sum(
                (job.place.guild_id, job.place.user_id) == of_actor and job.is_private and job.replaces is None
                for job in await self.core.snapshots.trainings()
            )
            await self.registry.require_few_own(actor.guild_id, actor.user.id, MOST_OWN - 1 - coming)

    # ------------------------------------------------------------------ channels, and models made again

    def of_messages(
        self,
        source: Source | None,
        options: TrainOptions,
        parent: ModelRecord | None = None,
        replaces: str | None = None,
        pages: Sequence[bytes] = (),
        *,
        until: int = 0,
        after: int = 0,
        author_id: int = 0,
        speakers: bool = False,
    ) -> TrainRequest:
        """Return a request for a training on messages.

        Args:
            source: None: no channel, but a member's own words from a file.
            options, parent, replaces, pages: as in `TrainRequest`.
            until: the highest id of an exported message; 0: it is not known.
            after: read only messages with a higher id.
            author_id: read only this member's messages; 0: anybody's.
            speakers: begin each line with an invented name of its author.
        """
        now = discord.utils.time_snowflake(discord.utils.utcnow(), high=True)
        reading = ChannelReading(
            reading_id=secrets.token_hex(12),
            channel_id=room_of(source).id if source is not None else 0,
            author_id=author_id,
            source_id=source.id if source is not None else 0,
            after=after,
            until=min(until or now, now),
            speakers=speakers,
        )
        name, title, licence = "like-me", "one member's messages in a data package", "A member's own words."
        if source is not None:
            whose = "one member's messages in " if author_id else ""
            name = "like-me" if whose else slugify(source.name) or "channel"
            title = f"{whose}#{source.name[:60]}{' (newer messages)' if after and not replaces else ''}"
            licence = _LICENCES.get(self.core.settings.channel_training, "")
        corpus = CorpusInfo(
            name=name,
            title=title,
            source="channel",
            chars=0,
            sha256="",
            licence=licence,
            hard_wrapped=False,
            reading=reading.reading_id,
        )
        return TrainRequest(corpus, options, parent, reading, replaces, pages)

    async def begin_again(self, model: ModelRecord, request: TrainRequest, *, limited: bool) -> None:
        """Read a channel for a model that is to be made again; its card is posted where the model belongs.

        `limited`: within the quotas, as its owner's training. Raises UserError: a quota is used up; redis.RedisError:
        Redis cannot be reached.
        """
        where = self.core.bot.get_channel(model.channel_id)
        place = Place(guild_id=model.guild_id, channel_id=model.channel_id, user_id=model.owner_id)
        if isinstance(where, discord.Thread):
            place = access.place_of(model.guild_id, where, model.owner_id)
        job_id = f"{TRAINING}{discord.utils.time_snowflake(discord.utils.utcnow(), high=True)}"
        await self._submit(request.job(job_id, place), None, limited=limited)

    async def text_again(self, actor: Actor, model: ModelRecord) -> Corpus:
        """Return the text that a model learned, which was no channel's.

        An attached text is kept for a while. One of the catalogue is fetched again, and may have changed since.
        Raises UserError: it is not known or no longer kept, and how to name or attach it; or as `_named`.
        """
        info, command = model.corpus, f"{await self.core.servers.prefix(model.guild_id)}train"
        if info is None:
            raise UserError(
                f"`{model.name}` was imported, and its text isn't one that I can get again.",
                f"Name the text: `{command} SOURCE --from {model.name}`, or attach the file to "
                f"`{command} --from {model.name}`.",
            )
        text = await self.core.jobs.upload(model.guild_id, info.sha256) if info.source == "upload" else None
        if text is not None:
            return Corpus(info, text)
        if info.source in PUBLIC_SOURCES:
            return await self._named(actor, info.name)
        raise UserError(
            f"I no longer have the file that `{model.name}` learned from: I keep a server's newest files, for 24 "
            "hours.",
            f"Attach it again, with `{command} --from {model.name}`.",
        )

    async def _named(self, actor: Actor, name: str) -> Corpus:
        """Return the text of a name. Raises as `Uploads.named`; UserError: it is a chat, which is to be shown first."""
        content = await self.uploads.named(actor, name, ChatOptions())
        if not isinstance(content, Corpus):
            prefix = await self.core.servers.prefix(actor.guild_id)
            again = as_typed(prefix, "train", "source", name)
            raise UserError(f"`{name}` is a chat now.", f"`{again}` shows it first.")
        return content

    # ------------------------------------------------------------------ entering the job

    async def _submit(self, job: TrainJob, text: str | None, *, limited: bool = True) -> bool:
        """Enter a job, and have its card posted in the background; False: it was entered before.

        A bot that dies in between posts the card after its next start. Raises UserError: a quota is used up, which
        counts if `limited`.
        """
        with job_context(job), self.core.delivery.reserved(job.job_id) as ours:
            async with self._entering:  # two that come at once cannot both pass a quota
                if not ours or await self.core.jobs.load(job.job_id) is not None:
                    return False  # Discord delivered this request twice
                if limited:
                    await self.require_quota(job.place.guild_id, job.place.user_id, replaces=job.replaces is not None)
                if job.replaces is not None:
                    await self._require_replaceable(job.place.guild_id, job.replaces)
                entered = await self.core.jobs.submit_train(job, text)
            if entered:
                if job.is_unread:
                    self.readings.look_soon()
                self.core.delivery.follow(job, None)
            return entered

    async def _require_replaceable(self, guild_id: int, model_id: str) -> None:
        """Refuse to make a model again that was deleted, or is being made again. Raises UserError."""
        models = await self.registry.all(guild_id)
        if model_id not in {model.model_id for model in models}:
            raise UserError("That model was deleted.", "Train a new one.")
        # A new model waits beside the old one for trainings that start from that.
        heirs = [model for model in models if model.replaces == model_id]
        made = [model for model in heirs if not await self.registry.is_withdrawn(model.readings)]
        if made or any(job.replaces == model_id for job in await self.core.snapshots.trainings()):
            raise UserError("That model is being made again.", "The card of that training shows how far it is.")

    async def require_quota(self, guild_id: int, user_id: int, name: str = "You", *, replaces: bool = False) -> None:
        """Refuse if a quota is used up: of trainings at once, of models, or of their disk space. Raises UserError.

        `name`: the user's, for the message. `replaces`: the new model takes another one's place.
        """
        places = [job.place for job in await self.core.snapshots.trainings()]
        owners = [place.user_id for place in places if place.guild_id == guild_id]
        quotas = self.core.servers.quotas(await self.core.servers.get(guild_id))
        prefix = await self.core.servers.prefix(guild_id)
        later = f"Try again when one of them has ended. `{prefix}jobs` lists them."
        if owners.count(user_id) >= quotas.jobs_per_user:
            has = "already have" if name == "You" else "already has"
            most = count(quotas.jobs_per_user, "training")
            raise UserError(f"{name} {has} {most} waiting or running here, the most one person may have.", later)
        if len(owners) >= quotas.jobs_per_server:
            most = count(quotas.jobs_per_server, "training")
            raise UserError(f"This server already has {most} waiting or running, the most it may have.", later)
        delete = (
            f"Delete one you no longer need with `{as_typed(prefix, 'model delete', 'name', 'NAME')}`; "
            f"`{prefix}models` lists those of this channel."
        )
        if (models := await self.registry.count(guild_id)) >= MOST_MODELS and not replaces:
            raise UserError(f"This server has {count(models, 'model')}, and {MOST_MODELS} is the most.", delete)
        limit_mb, taken = quotas.disk_mb, await self.registry.stored_bytes(guild_id)
        if taken >= limit_mb * MEGABYTE:
            raise UserError(
                f"This server's models take {taken / MEGABYTE:,.1f} MB, and {limit_mb:,.0f} MB is the most.", delete
            )
