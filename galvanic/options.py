"""What a training is asked for, and what is known of the text that it learns. Without numpy and TensorFlow."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from galvanic.errors import UserError

RecipeName = Literal["char", "word", "classic"]
RECIPE_WORDS: dict[RecipeName, str] = {
    "char": "character by character",
    "word": "word by word",
    "classic": "the tutorial's way",
}
"""How each recipe reads a text, in plain words."""
RECIPES: tuple[RecipeName, ...] = tuple(RECIPE_WORDS)
Encoding = Literal["embedding", "one-hot"]
StopAt = Literal["sentence", "line"]
_Id = Annotated[int, Field(ge=0)]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class TranscriptRef(_Frozen):
    """A transcript as a model learned it: a server's channel, whose members may withdraw their words."""

    transcript_id: str = Field(max_length=32, pattern=r"^[A-Za-z0-9-]+$")
    revision: int = Field(ge=0)  # then; a later one has lost words, so that what learned from this one is stale
    guild_id: _Id  # the server whose members wrote it
    channel_id: _Id  # who reads this channel or private thread may read the transcript


class CorpusInfo(_Frozen):
    """A text, without its words: what is known of it and may be shown and logged.

    `sha256`: of the UTF-8 text, hexadecimal; also the text's address in Redis. Empty for a channel's messages, which
    change when somebody withdraws.
    """

    name: str  # short, also the default name of a model (`frankenstein`)
    title: str  # how a person would call it ("Frankenstein, by Mary Shelley")
    source: Literal["catalogue", "corpora-dir", "python-docs", "upload", "file", "channel"]
    chars: int = Field(ge=0)  # as given
    sha256: str
    licence: str = ""  # one line about the rights in it
    hard_wrapped: bool | None = None  # lines are broken for a fixed width, so prose may be unwrapped; None: find out
    transcript: TranscriptRef | None = None  # where a channel's messages are
    # Project Gutenberg's headers and licences. Not written if 0, so that the version before can read it.
    left_out: int = Field(0, ge=0, exclude_if=lambda characters: characters == 0)  # characters

    @property
    def notes(self) -> tuple[str, ...]:
        if not self.left_out:
            return ()
        return (f"Left out: Project Gutenberg's header and licence, {self.left_out:,} characters.",)


class TrainOptions(_Frozen):
    """What a person chose. None: chosen by the size of the text and the speed of the machine."""

    recipe: RecipeName = "char"
    epochs: int | None = Field(None, ge=1)
    minutes: float | None = Field(None, gt=0)
    layers: int | None = Field(None, ge=1, le=8)  # of LSTM
    units: int | None = Field(None, ge=8, le=4096)  # in each layer
    embedding: int | None = Field(None, ge=1, le=4096)  # its width
    encoding: Encoding | None = None
    dropout: float | None = Field(None, ge=0, le=0.9)  # share of each layer's outputs dropped while learning
    batch: int | None = Field(None, ge=1, le=4096)  # texts read side by side, or windows in a step (`classic`)
    length: int | None = Field(None, ge=8, le=4096)  # symbols that each stream reads in a step
    learning_rate: float | None = Field(None, gt=0, le=1)  # the largest of the schedule
    random_seed: int | None = Field(None, ge=0, lt=2**32)
    name: str | None = None
    keep_licence: bool = False  # keep Project Gutenberg's headers and licences, as the tutorial did (`classic`)

    @property
    def by_epochs(self) -> bool:
        """Whether it reads the text a number of times; else it learns until its time is up, or nothing gets better."""
        return self.epochs is not None or self.recipe == "classic"


@dataclass(frozen=True)
class TrainLimits:
    minutes: float = 8.0  # for whoever names neither minutes nor epochs
    most_minutes: float = math.inf  # this and the next: that somebody may name
    most_epochs: int = 1_000_000
    checkpoint_s: float = 60.0  # between two checkpoints: a training that is cut off loses no more


NOT_FOR_CLASSIC = {
    "encoding": "puts each character in as one number",
    "embedding": "puts each character in as one number",
    "length": "always reads windows of 100 characters",
}
"""Options that would change nothing in the recipe `classic`, and why."""


def refuse_for_classic(chosen: object) -> None:
    """Raises UserError where `chosen` has one of the attributes `NOT_FOR_CLASSIC` that is not None."""
    for name, why in NOT_FOR_CLASSIC.items():
        if getattr(chosen, name) is not None:
            raise UserError(
                f"`--{name}` doesn't go with the recipe `classic`: it {why}.",
                f"Leave out `--{name}`, or take the recipe `char`.",
            )
