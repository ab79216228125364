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
    """A transcript (a server's channel, whose members may withdraw their words) as a model learned it.

    Attributes:
        transcript_id: which.
        revision: its revision then. A later one has lost words, so that what learned from this one is stale.
        guild_id: the server whose members wrote it.
        channel_id: who reads this channel, or this private thread, may read the transcript.
    """

    transcript_id: str = Field(max_length=32, pattern=r"^[A-Za-z0-9-]+$")
    revision: int = Field(ge=0)
    guild_id: _Id
    channel_id: _Id


class CorpusInfo(_Frozen):
    """A text, without its words: what is known of it and may be shown and logged.

    Attributes:
        name: short name, also the default name of a model (`frankenstein`).
        title: how a person would call it ("Frankenstein, by Mary Shelley").
        source: where it came from.
        chars: length in characters, as given.
        sha256: of the UTF-8 text, hexadecimal; also the text's address in Redis. Empty for a channel's messages, which
            change when somebody withdraws.
        licence: one line about the rights in it.
        hard_wrapped: lines are broken for a fixed width (a book), so that prose may be unwrapped; None: find out.
        transcript: where a channel's messages are; None: it is no such text.
        left_out: characters of a file that are not of its text: Project Gutenberg's headers and licences.
    """

    name: str
    title: str
    source: Literal["catalogue", "corpora-dir", "python-docs", "upload", "file", "channel"]
    chars: int = Field(ge=0)
    sha256: str
    licence: str = ""
    hard_wrapped: bool | None = None
    transcript: TranscriptRef | None = None
    # Not written where it says nothing, so that the version before can read it.
    left_out: int = Field(0, ge=0, exclude_if=lambda characters: characters == 0)

    @property
    def notes(self) -> tuple[str, ...]:
        """What was done to the text before it came here, in plain words."""
        if not self.left_out:
            return ()
        return (f"Left out: Project Gutenberg's header and licence, {self.left_out:,} characters.",)


class TrainOptions(_Frozen):
    """What a person chose. None: chosen by the size of the text and the speed of the machine.

    Attributes:
        layers, units: LSTM layers, and units in each.
        embedding: width of the input embedding.
        encoding: how a symbol enters the network.
        dropout: share of each layer's outputs dropped while learning.
        batch: texts read side by side (streams), or windows in a step (`classic`).
        length: symbols that each stream reads in a step.
        learning_rate: the largest of the schedule.
    """

    recipe: RecipeName = "char"
    epochs: int | None = Field(None, ge=1)
    minutes: float | None = Field(None, gt=0)
    layers: int | None = Field(None, ge=1, le=8)
    units: int | None = Field(None, ge=8, le=4096)
    embedding: int | None = Field(None, ge=1, le=4096)
    encoding: Encoding | None = None
    dropout: float | None = Field(None, ge=0, le=0.9)
    batch: int | None = Field(None, ge=1, le=4096)
    length: int | None = Field(None, ge=8, le=4096)
    learning_rate: float | None = Field(None, gt=0, le=1)
    random_seed: int | None = Field(None, ge=0, lt=2**32)
    name: str | None = None
    keep_licence: bool = False
    """Keep Project Gutenberg's headers and licences, as the tutorial did (`classic`)."""

    @property
    def by_epochs(self) -> bool:
        """Whether it reads the text a number of times; else it learns until its time is up, or nothing gets better."""
        return self.epochs is not None or self.recipe == "classic"


@dataclass(frozen=True)
class TrainLimits:
    """What an installation allows a training.

    Attributes:
        minutes: for whoever names neither minutes nor epochs.
        most_minutes, most_epochs: that somebody may name.
        checkpoint_s: between two checkpoints: a training that is cut off loses no more.
    """

    minutes: float = 8.0
    most_minutes: float = math.inf
    most_epochs: int = 1_000_000
    checkpoint_s: float = 60.0


NOT_FOR_CLASSIC = {
    "encoding": "puts each character in as one number",
    "embedding": "puts each character in as one number",
    "length": "always reads windows of 100 characters",
}
"""Options that would change nothing in the recipe `classic`, and why."""


def refuse_for_classic(chosen: object) -> None:
    """Refuse what the recipe `classic` has no use for.

    Args:
        chosen: has an attribute for each of `NOT_FOR_CLASSIC`, None where nothing was chosen.

    Raises:
        UserError: something was.
    """
    for name, why in NOT_FOR_CLASSIC.items():
        if getattr(chosen, name) is not None:
            raise UserError(
                f"`--{name}` doesn't go with the recipe `classic`: it {why}.",
                f"Leave out `--{name}`, or take the recipe `char`.",
            )
