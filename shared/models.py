"""What the bot may know of a model without opening its files."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from galvanic.options import CorpusInfo, RecipeName, TrainOptions, TranscriptRef
from galvanic.results import Measured
from galvanic.verdict import Verdict, kind_of
from shared.jobs import ModelId, ModelRef
from shared.transcripts import Revision


class ModelRecord(BaseModel):
    """A model in a guild's registry.

    Attributes:
        model_id: its file's name in the model store; unguessable.
        name: unique in the guild; of a private model, among its author's and those of the guild.
        scope: everyone in the guild may use it; or only its channel (texts that a member uploaded), those of
            `shared_with` and, if it is `for_server`, everyone after all.
        channel_id: where it was trained.
        train_loss, heldout_loss: nats per character of the best epoch; held-out is None when nothing was held out.
        corpus, options: None where an imported file does not say, or may not name its text.
        parent: name of the model that it started from.
        copy_share: share of its samples that stands verbatim in the corpus, in runs of 30 characters or more.
        verdict: None in records of older versions.
        sources: channels whose uploaded texts it learned from, those of its ancestors included (`origins`).
        transcripts: channels' messages that it learned from, those of its ancestors included.
        replaces: id of the stale model whose place it takes.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    version: Literal[1] = 1
    model_id: ModelId
    name: str
    guild_id: int
    channel_id: int
    owner_id: int
    scope: Literal["guild", "channel"]
    recipe: RecipeName
    corpus_title: str
    corpus_chars: int
    parameters: int
    epochs: int
    train_loss: float
    heldout_loss: float | None = None
    corpus: CorpusInfo | None = None
    options: TrainOptions | None = None
    parent: str | None = None
    copy_share: float | None = None
    verdict: Verdict | None = None
    shared_with: tuple[int, ...] = ()
    for_server: bool = False
    file_bytes: int
    imported: bool = False
    sources: tuple[int, ...] = ()
    transcripts: tuple[TranscriptRef, ...] = ()
    replaces: str | None = None
    created_at: float = Field(default_factory=time.time)

    @property
    def authors(self) -> frozenset[int]:
        """The member whose messages alone it learned, so that it is theirs until they share it; empty: anybody's."""
        return frozenset(ref.author_id for ref in self.transcripts if ref.author_id)

    @property
    def is_private(self) -> bool:
        """Whether nobody but its author may know of it."""
        return bool(self.authors) and not self.shared_with and not self.for_server

    @property
    def entry(self) -> str:
        """Its field in `keys.guild_models`. A private model doesn't take a name from others."""
        return private_entry(min(self.authors), self.name) if self.is_private else self.name

    @property
    def names_taken(self) -> tuple[str, ...]:
        """The fields that must not be another model's when it gets its name; `entry` is the first."""
        return (self.entry, self.name) if self.is_private else (self.entry,)

    def usable_in(self, channel_ids: Iterable[int], user_id: int | None = None) -> bool:
        """By a person; None: by anybody. For a thread, give its parent's id as well. Who could read its `transcripts`
        is asked in `bot.models.audience`."""
        if self.for_server or (self.authors == {user_id} if self.authors else self.scope == "guild"):
            return True
        trained_in = () if self.authors else (self.channel_id,)
        return not {*trained_in, *self.shared_with}.isdisjoint(channel_ids)

    @property
    def judged(self) -> Verdict:
        """Where no verdict was written down, with nothing but the figures that were."""
        figures = {"train_loss": self.train_loss, "heldout_loss": self.heldout_loss, "copy_share": self.copy_share}
        return self.verdict or Verdict(**figures, kind=kind_of(Measured(**figures)))

    @property
    def ref(self) -> ModelRef:
        return ModelRef(model_id=self.model_id, name=self.name)

    @property
    def origins(self) -> tuple[int, ...]:
        """The channels whose uploaded texts it learned from; of an imported one that in which it was imported."""
        return self.sources or ((self.channel_id,) if self.scope == "channel" else ())

    @property
    def source_channels(self) -> tuple[int, ...]:
        """The channels, and private threads, whose messages it learned from."""
        return tuple(dict.fromkeys(ref.channel_id for ref in self.transcripts))

    def is_stale(self, revisions: Mapping[str, Revision]) -> bool:
        """Whether words were withdrawn since it learned; a transcript that is missing in `revisions` is forgotten."""
        return any(
            (revision := revisions.get(ref.transcript_id)) is None or ref.revision < revision.now
            for ref in self.transcripts
        )


def private_entry(author_id: int, name: str) -> str:
    return f"{author_id}/{name}"
