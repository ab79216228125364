"""The models of a guild, as the bot sees them: listing, choosing, and who may use which."""

import functools
import math
import re
import time
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from pathlib import Path
from typing import Any, cast

import discord
import redis.asyncio
import structlog
from discord import app_commands
from redis.asyncio.client import Pipeline

from bot.background import redis_call
from bot.errors import nearest
from bot.jobs.decoding import read
from bot.models.audience import Audience
from bot.models.readings import ReadingNotes, is_withdrawn
from bot.options.autocomplete import choices, in_time
from bot.servers.access import Viewer, channel_ids
from bot.servers.settings import GuildSettingsStore
from bot.words import as_typed, code, mentions
from galvanic.errors import UserError
from galvanic.options import STARTER
from galvanic.verdict import Verdict
from shared import keys
from shared.jobs import Place, ReadingRef, TrainJob
from shared.models import ModelFacts, ModelRecord, Ownership, private_entry
from shared.settings import Settings

MOST_OWN = 5  # models of one member's own words in a server: its admins don't see them
_HOUR_S, _DAY_S = 3_600.0, 86_400.0
_NO_LONGER = "This model was deleted or made again, or can no longer be used in this channel."
_NOT_POSTED = "I can't post this here: its model was deleted in the meantime, or may no longer be used in this channel."

log = structlog.get_logger()


class Registry:
    """Models in Redis. The worker enters them; nothing here opens a model file.

    A model that may not be used in a channel does not exist there: all requests for one go through `among`.
    """

    def __init__(
        self, connection: redis.asyncio.Redis, settings: Settings, servers: GuildSettingsStore, audience: Audience
    ) -> None:
        self._redis = connection
        self._settings = settings
        self._servers = servers
        self._audience = audience
        self.replaced: list[Callable[[int, str, str], Awaitable[object]]] = []
        """Called with a server's id and the ids of a model and of that which took its place; maybe more than once."""
        self.notes = ReadingNotes(connection)
        self._remove, self._use_new = (
            connection.register_script(Path(__file__).with_name(f"{name}.lua").read_text("utf-8"))
            for name in ("remove", "use_new")
        )

    # ------------------------------------------------------------------ finding models

    async def among(self, viewer: Viewer, records: Iterable[ModelRecord]) -> list[ModelRecord]:
        """Return those of the models that may be used in a channel now. Nothing else decides that.

        They must be of this server, of a text that may be used there (`ModelRecord.usable_in`), and of messages that
        everybody there could have read (`Audience`). Each of their readings must be known and its time not over; those
        that an imported file names must be among them. If nobody asks, none of a member's own words is among the models
        that isn't shared. Raises redis.RedisError.
        """
        guild_id, channel_ids, user_id = viewer
        may_use = functools.cache(functools.partial(self._audience.may_use, guild_id, channel_ids))
        usable = [
            record
            for record in records
            if record.guild_id == guild_id
            and {ref.reading_id for ref in record.readings}.issuperset(record.file_readings)
            and record.usable_in(channel_ids, user_id)
            and may_use(record.source_channels)
        ]
        notes = await self.notes.of(ref for record in usable for ref in record.readings)
        within_s = self.forget_within_s, self.renew_within_s
        ends = {note_id: note.gone_by(*within_s) or math.inf for note_id, note in notes.items()}
        standing = {note_id for note_id, end in ends.items() if end > time.time()}
        return [record for record in usable if all(ref.reading_id in standing for ref in record.readings)]

    async def usable(self, viewer: Viewer) -> list[ModelRecord]:
        """Return the models that may be used in a channel, newest first."""
        models = await self.among(viewer, await self.all(viewer.guild_id))
        return sorted(models, key=lambda model: model.created_at, reverse=True)

    async def current(self, viewer: Viewer) -> ModelRecord | None:
        """Return a channel's model, if everybody there may use it; of a thread that has none, its parent's."""
        channels = map(keys.channel, viewer.channel_ids)
        ids = [await redis_call(self._redis.hget(channel, "model")) for channel in channels]
        # A thread whose own choice is gone has its parent's.
        models = await self.among(viewer._replace(user_id=None), await self._load(filter(None, ids)))
        return next(iter(models), None)

    async def choose(self, viewer: Viewer, name: str | None) -> ModelRecord:
        """Return the model of this name, or (None) the channel's. Raises UserError if none may be used here."""
        if (model := await self._named(viewer, name)) is None:
            raise await self._no_such_model(viewer, name)
        return model

    async def choose_to_write(self, viewer: Viewer, name: str | None) -> ModelRecord:
        """Return a model to write with: the starter if it is named, or if none is and the channel has no model.

        Raises UserError as `choose`.
        """
        if (model := await self._named(viewer, name)) is not None:
            return model
        if name is None or name.strip().lower() == STARTER:
            return _starter(viewer.guild_id)
        raise await self._no_such_model(viewer, name)

    async def _named(self, viewer: Viewer, name: str | None) -> ModelRecord | None:
        """Return the model of this name, a member's own first, or (None) the channel's."""
        if name is None:
            return await self.current(viewer)
        name = name.strip().lower()
        entries = [name] if viewer.user_id is None else [private_entry(viewer.user_id, name), name]
        fields = [entry.encode(errors="replace") for entry in entries]
        ids = await redis_call(self._redis.hmget(keys.guild_models(viewer.guild_id), fields))
        models = await self.among(viewer, await self._load(filter(None, ids)))
        return next(iter(models), None)

    async def by_id(self, viewer: Viewer, model_id: str) -> ModelRecord:
        """Return a model. Raises UserError, in the same words, if there is none or it may not be used here."""
        return (await self.all_by_id(viewer, [model_id]))[model_id]

    async def all_by_id(
        self, viewer: Viewer, model_ids: Collection[str], problem: str = _NO_LONGER
    ) -> dict[str, ModelRecord]:
        """Return models by their ids. Raises UserError as `by_id` does for one."""
        models = {model.model_id: model for model in await self.by_ids(viewer, model_ids)}
        if not models.keys() >= set(model_ids):
            prefix = await self._servers.prefix(viewer.guild_id)
            raise UserError(problem, f"`{prefix}models` lists those that can be used here.")
        return models

    async def by_ids(self, viewer: Viewer, model_ids: Collection[str]) -> list[ModelRecord]:
        """Return those that may be used in a channel, each once; the starter may be everywhere in a server."""
        starter = [_starter(viewer.guild_id)] if STARTER in model_ids else []
        stored = await self._load(model_id for model_id in model_ids if model_id != STARTER)
        return starter + await self.among(viewer, stored)

    async def require_may_use(self, place: Place, model_ids: Collection[str]) -> list[ModelRecord]:
        """Return the models of an answer to be posted now. Raises UserError if not all may be used there any more."""
        viewer = Viewer(place.guild_id, place.channel_ids, place.user_id)
        return [*(await self.all_by_id(viewer, model_ids, _NOT_POSTED)).values()]

    async def record(self, model_id: str) -> ModelRecord | None:
        """Return a model's record, whoever may use it; None: it is gone."""
        return next(iter(await self._load([model_id])), None)

    async def offered(self, interaction: discord.Interaction, typed: str, *more: str) -> list[app_commands.Choice[str]]:
        """Return names of models, and `more` that may stand in their place, for autocomplete."""
        channel = interaction.channel
        if interaction.guild_id is None or channel is None:
            return []
        viewer = Viewer(interaction.guild_id, channel_ids(channel), interaction.user.id)
        models = await in_time(self.usable)(viewer)
        return choices(dict.fromkeys((*(model.name for model in models), *more)), typed)

    async def next_name(self, viewer: Viewer, model: ModelRecord) -> str:
        """Return the name of a model trained further: `tides`, also for `tides-2` if there is a `tides`.

        The registry adds the next free number itself.
        """
        numbered = re.fullmatch(r"(.+)-\d+", model.name)
        names = {other.name for other in await self.usable(viewer)}
        return numbered[1] if numbered and numbered[1] in names else model.name

    async def all(self, guild_id: int) -> list[ModelRecord]:
        """Return all models of a guild, wherever they may be used: to count and to clean up, never to show."""
        return await self._load(await redis_call(self._redis.hvals(keys.guild_models(guild_id))))

    async def count(self, guild_id: int) -> int:
        return int(await redis_call(self._redis.hlen(keys.guild_models(guild_id))))

    async def stored_bytes(self, guild_id: int) -> int:
        return sum(model.file_bytes for model in await self.all(guild_id))

    # ------------------------------------------------------------------ changing models and channels' choices

    async def use(self, channel_id: int, model: ModelRecord, *, keep: bool | None = None) -> None:
        """Make a model a channel's. `keep`: whether trainings there leave it so; None: as before."""
        fields: Any = {"model": model.model_id} | ({"keep": str(int(keep))} if keep is not None else {})
        await redis_call(self._redis.hset(keys.channel(channel_id), mapping=fields))

    async def use_new(self, job: TrainJob, model_id: str) -> None:
        """Make a new model its channel's current one, once for its job, unless the channel keeps its own.

        One that was made again gets the places of the old one, and one of a member's own words is not for others.
        """
        if job.replaces is None and not job.is_private:
            names = [keys.job(job.job_id), keys.channel(job.place.channel_id)]
            if self._audience.knows(job.place.guild_id):
                keeps = await self.kept(job.place) is not None
            else:  # nobody can tell now who may use it
                keeps = (await self._servers.channel(job.place.channel_ids)).keep
            await redis_call(self._use_new(keys=names, args=[model_id, int(keeps)]))

    async def kept(self, place: Place) -> ModelRecord | None:
        """Return the model that trainings leave a channel; None: none, or one that not everybody there may use now."""
        choices = await self._servers.channel(place.channel_ids)
        if not choices.keep or choices.model is None:
            return None
        models = await self.by_ids(Viewer(place.guild_id, place.channel_ids), [choices.model])
        return next(iter(models), None)

    async def amend(
        self, model: ModelRecord, change: Callable[[ModelRecord], ModelRecord], *, numbered: bool = False
    ) -> ModelRecord:
        """Change a model's record in one step, its name in the guild with it, and return the record.

        `change` makes the new record of the old one, again when somebody else was faster. `numbered`: add a number to
        a name that is taken. Raises UserError: the model is gone, or its new name is taken; or what `change` raises.
        """
        model_id, guild_models = model.model_id, keys.guild_models(model.guild_id)

        async def write(pipe: Pipeline) -> ModelRecord:
            if (old := _record(model_id, *await redis_call(pipe.mget(_keys_of(model_id))))) is None:
                raise UserError("This model was deleted a moment ago.", "Choose another one.")
            new = changed = change(old)
            entries = await redis_call(pipe.hgetall(guild_models))
            taken = {entry.decode(errors="replace") for entry, owner in entries.items() if owner != model_id.encode()}
            number = 1
            while new.entry != old.entry and not taken.isdisjoint(new.names_taken):
                if not numbered:
                    raise await self._name_taken(old, new.name)
                number += 1
                new = changed.model_copy(update={"name": f"{changed.name}-{number}"})
            pipe.multi()
            if new.entry != old.entry:
                pipe.hdel(guild_models, old.entry)
                pipe.hset(guild_models, new.entry, model_id)
            pipe.set(keys.model(model_id), new.facts.model_dump_json())
            pipe.set(keys.ownership(model_id), new.ownership.model_dump_json())
            return new

        watched = (guild_models, *_keys_of(model_id))
        return cast(ModelRecord, await redis_call(self._redis.transaction(write, *watched, value_from_callable=True)))

    async def _name_taken(self, model: ModelRecord, name: str) -> UserError:
        rename = as_typed(await self._servers.prefix(model.guild_id), "model rename", "name", model.name, "new", "NEW")
        return UserError(
            f"The name `{name}` is already taken in this server.",
            "Choose another one." if name != model.name else f"Rename this model first: `{rename}`.",
        )

    async def remove(self, model: ModelRecord) -> bool:
        """Take a model out; the choice of a channel then names nothing. False: it was gone already.

        A worker removes its files (`worker.store.delete_files`).
        """
        own = [keys.guild_models(model.guild_id), *_keys_of(model.model_id), keys.DELETING]
        removed = bool(await redis_call(self._remove(keys=own, args=[model.model_id])))
        log.info("model_removed", model_id=model.model_id, guild_id=model.guild_id, removed=removed)
        return removed

    async def forget_channel(self, channel_id: int) -> None:
        """Drop what a channel that is gone has chosen: its model, its temperature, whether it chats."""
        await redis_call(self._redis.delete(keys.channel(channel_id)))

    async def require_few_own(self, guild_id: int, user_id: int, most: int) -> None:
        """Refuse another model of a member's own words. Raises UserError if there are more than `most`."""
        if sum(model.authors == {user_id} for model in await self.all(guild_id)) > most:
            prefix = await self._servers.prefix(guild_id)
            raise UserError(
                f"You have {MOST_OWN} models of your own words here, or in training, which is the maximum.",
                f"Delete one of them first: `{as_typed(prefix, 'model delete', 'name', 'NAME')}`.",
            )

    # ------------------------------------------------------------------ lifetimes of models of messages

    async def is_withdrawn(self, readings: Sequence[ReadingRef]) -> bool:
        """Look up whether words of some readings were withdrawn, or nothing is known of one any more."""
        return is_withdrawn(readings, await self.notes.of(readings))

    async def gone_by(self, model: ModelRecord) -> float | None:
        """Return when a model is made again or deleted at the latest, in Unix time; None: that is not known yet."""
        notes = await self.notes.of(model.readings)
        ends = [note.gone_by(self.forget_within_s, self.renew_within_s) for note in notes.values()]
        return min((end for end in ends if end is not None), default=None)

    async def renewed_by(self, model: ModelRecord) -> float | None:
        """Return when a channel's model gets too old, in Unix time; None: it learned no channel."""
        notes = await self.notes.of(model.readings)
        return min((note.read_at + self.lifetime_s for note in notes.values() if note.channel_id), default=None)

    @property
    def forget_within_s(self) -> float:
        """Return for how long a model may be used after words that it learned were withdrawn."""
        return _HOUR_S * self._settings.forget_within_hours

    @property
    def lifetime_s(self) -> float:
        """Return the age at which a channel's model is made again: early enough for the old one to go in time."""
        return _DAY_S * self._settings.channel_model_days - self.renew_within_s

    @property
    def renew_within_s(self) -> float:
        """Return for how long a channel's model may be used after that age."""
        return min(self.forget_within_s, _DAY_S * self._settings.channel_model_days / 2)

    # ------------------------------------------------------------------ records in Redis

    async def _load(self, model_ids: Iterable[str | bytes]) -> list[ModelRecord]:
        """Return the records of these models that are there and can be read, each once."""
        names = (name.decode(errors="replace") if isinstance(name, bytes) else name for name in model_ids)
        ids = list(dict.fromkeys(names))
        values = await redis_call(self._redis.mget([key for name in ids for key in _keys_of(name)])) if ids else []
        records = map(_record, ids, values[::2], values[1::2])
        return [record for record in records if record is not None]

    async def _no_such_model(self, viewer: Viewer, name: str | None) -> UserError:
        usable = await self.usable(viewer._replace(user_id=None))  # everybody in the channel may read the answer
        names = [model.name for model in usable]
        prefix = await self._servers.prefix(viewer.guild_id)
        if name is not None and name.strip().lower() == STARTER:
            return UserError(
                f"`{STARTER}` is the English that I come with: it has no card, and no channel can choose it.",
                f"`{as_typed(prefix, 'generate', '--model', STARTER)}` writes with it.",
            )
        if name is not None:
            near = nearest(name.strip(), names, likeness=0.5)
            return UserError(
                f"No model called {code(name, 60)} can be used in this channel.",
                await self._own_elsewhere(viewer, name)
                or f"{f'Did you mean {near}? ' if near else ''}`{prefix}models` lists those that can.",
            )
        train = as_typed(prefix, "train", "source", "frankenstein")
        if names:
            some = ", ".join(f"`{usable_name}`" for usable_name in names[:5])
            return UserError(
                "This channel has no model yet.",
                f"Pick one of {some} with `{as_typed(prefix, 'model use', 'name', 'NAME')}`, or train one: `{train}`.",
            )
        return UserError("There is no model here yet.", f"Train one first: `{train}`.")

    async def _own_elsewhere(self, viewer: Viewer, name: str) -> str:
        """Tell the owner of an uploaded text's model where it can be used; empty: no such model is theirs."""
        entry = name.strip().lower().encode(errors="replace")
        model_id = await redis_call(self._redis.hget(keys.guild_models(viewer.guild_id), entry))
        models = await self._load(filter(None, [model_id]))
        if not models or models[0].owner_id != viewer.user_id or models[0].scope != "channel" or models[0].readings:
            return ""
        (model,) = models
        if set(model.origins) - {model.channel_id}:
            return ""
        prefix = await self._servers.prefix(viewer.guild_id)
        share = as_typed(prefix, "model share", "name", model.name, "where", "#CHANNEL")
        return f"Yours can be used in {mentions((model.channel_id, *model.shared_with))}. There, `{share}` shares it."


def _starter(guild_id: int) -> ModelRecord:
    """Return the model that comes with the worker. It is in no registry: it can write, and nothing else."""
    own = {"model_id": STARTER, "name": STARTER, "guild_id": guild_id, "scope": "guild", "recipe": "char"}
    unknown = ("channel_id", "owner_id", "corpus_chars", "parameters", "epochs", "file_bytes")
    described = {"corpus_title": "English", "verdict": Verdict(train_loss=0)}
    return ModelRecord.model_validate({**own, **described, **dict.fromkeys(unknown, 0)})


def _keys_of(model_id: str) -> tuple[str, str]:
    return keys.model(model_id), keys.ownership(model_id)


def _record(model_id: str, facts: bytes | None, ownership: bytes | None) -> ModelRecord | None:
    """Read a model's record from its two values in Redis. Return None if one is missing, damaged or another model's."""
    if facts is None or ownership is None:
        return None
    worker_facts = read(ModelFacts, facts, "model_record_not_understood")
    owned = read(Ownership, ownership, "ownership_not_understood")
    if worker_facts is None or owned is None or worker_facts.model_id != model_id:
        return None
    return ModelRecord.of(worker_facts, owned)
