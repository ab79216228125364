"""The facts about a model that the bot may know without opening its files."""

from __future__ import annotations

import time
from collections.abc import Iterable

from pydantic import BaseModel, ConfigDict, Field

from galvanic.options import CorpusInfo, ReadingId, RecipeName, TrainOptions
from galvanic.units import count
from galvanic.verdict import Verdict
from shared.jobs import ImportJob, ModelId, ModelRef, ReadingRef, Scope, Snowflake, TrainJob

MOST_MODELS = 500  # of a server: the bot reads all of their records whenever somebody types a model's name


class ModelFacts(BaseModel):
    """A worker's facts about a model that it made; `keys.model` holds it.

    Attributes:
        model_id: its file's name in the model store; unguessable. The bot chooses it.
        name: unique in the guild; of a private model, among its author's and those of the guild.
        corpus, options: None where an imported file does not say, or may not name its text.
        parent: name of the model that it started from.
        verdict: what was measured, and what it means.
        author_id: the member whose own words alone it learned, among whose models it has its name; 0: everybody's.
        file_readings: of channels, that an imported file names, as workers of 1.0.0 entered it. Nobody may use the
            model if the bot did not note them in `readings`.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    model_id: ModelId
    name: str
    recipe: RecipeName
    corpus_title: str
    corpus_chars: int
    parameters: int
    epochs: int
    corpus: CorpusInfo | None = None
    options: TrainOptions | None = None
    parent: str | None = None
    verdict: Verdict
    file_bytes: int
    imported: bool = False
    author_id: Snowflake = 0
    file_readings: tuple[ReadingId, ...] = ()
    created_at: float = Field(default_factory=time.time)

    @property
    def is_private(self) -> bool:
        """Return whether nobody but its author may know of it."""
        return bool(self.author_id)

    @property
    def corpus_extent(self) -> str:
        """Return the length and the language of the text in words."""
        return self.corpus.extent if self.corpus is not None else count(self.corpus_chars, "character")

    @property
    def entry(self) -> str:
        """Return its field in `keys.guild_models`. A private model doesn't take a name from others."""
        return private_entry(self.author_id, self.name) if self.is_private else self.name

    @property
    def names_taken(self) -> tuple[str, ...]:
        """The fields that must not be another model's when it gets its name; `entry` is the first."""
        return (self.entry, self.name) if self.is_private else (self.entry,)

    @property
    def ref(self) -> ModelRef:
        return ModelRef(model_id=self.model_id, name=self.name)


class _Owned(BaseModel):
    """The owner of a model, and the people who may use it.

    Attributes:
        scope: everyone in the guild may use it; or only its channel (texts that a member uploaded), those of
            `shared_with` and, if it is `for_server`, everyone after all.
        channel_id: where it was trained.
        sources: channels whose uploaded texts it learned from, those of its ancestors included (`origins`).
        replaces: id of the model whose place it takes.
        readings: of channels, that it and its ancestors learned from, its own first.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    guild_id: int
    channel_id: int
    owner_id: int
    scope: Scope
    shared_with: tuple[int, ...] = ()
    for_server: bool = False
    sources: tuple[int, ...] = ()
    replaces: str | None = None
    readings: tuple[ReadingRef, ...] = ()


class Ownership(_Owned):
    """The bot's own facts about a model, from the job that makes it on; `keys.ownership` holds it."""

    @classmethod
    def of(cls, job: TrainJob | ImportJob) -> Ownership:
        """Return the ownership of the model that a job is to make."""
        place = job.place
        where = {"guild_id": place.guild_id, "channel_id": place.channel_id, "owner_id": place.user_id}
        if isinstance(job, ImportJob):
            return cls(**where, scope="channel")
        where["owner_id"] = job.owner_id or place.user_id
        readings = {ref.reading_id: ref for ref in job.readings}
        return cls(**where, scope=job.scope, sources=job.sources, replaces=job.replaces, readings=(*readings.values(),))


class ModelRecord(ModelFacts, _Owned):
    """A model in a guild's registry: what its worker and the bot say of it."""

    @classmethod
    def of(cls, facts: ModelFacts, ownership: Ownership) -> ModelRecord:
        """Return a record of both."""
        return cls(**{**dict(facts), **dict(ownership)})

    @property
    def facts(self) -> ModelFacts:
        return ModelFacts(**dict(self))

    @property
    def ownership(self) -> Ownership:
        return Ownership(**dict(self))

    @property
    def authors(self) -> frozenset[int]:
        """Return the author of a model of one member's own messages, or nobody. It is theirs until they share it."""
        return frozenset(ref.author_id for ref in self.readings if ref.author_id)

    @property
    def is_private(self) -> bool:
        """Return whether nobody but its author may know of it."""
        return bool(self.authors) and not self.shared_with and not self.for_server

    @property
    def source_channels(self) -> tuple[int, ...]:
        """Return the channels, and private threads, whose messages it learned from."""
        return tuple(dict.fromkeys(ref.channel_id for ref in self.readings if ref.channel_id))

    @property
    def origins(self) -> tuple[int, ...]:
        """Return the channels whose uploaded texts it learned from; of an imported model, the channel of the import."""
        return self.sources or ((self.channel_id,) if self.scope == "channel" else ())

    def usable_in(self, channel_ids: Iterable[int], user_id: int | None = None) -> bool:
        """Return whether a person may use the model there; None: anybody.

        For a thread, give its parent's id as well. `bot.models.audience` asks who could read its `readings`.
        """
        if self.for_server or (self.authors == {user_id} if self.authors else self.scope == "guild"):
            return True
        trained_in = () if self.authors else (self.channel_id,)
        return not {*trained_in, *self.shared_with}.isdisjoint(channel_ids)


def private_entry(author_id: int, name: str) -> str:
    return f"{author_id}/{name}"
