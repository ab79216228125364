"""What the engine returns, and how it talks while it trains. Works without TensorFlow."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, NamedTuple, Self

from pydantic import BaseModel, Field

Control = Literal["cancel", "finish", "interrupt"]
Stopped = Literal["done", "early", "time", "finish"]
Writer = Literal["network", "table", "both"]
"""What writes: a network, a table of n-grams beside it (`galvanic.companion`), or both mixed."""
Doing = Literal["learning", "measuring", "sampling", "saving", "finishing"]
Difficulty = Literal["disk full", "store away"]  # what keeps a training from saving
MOST_POINTS = 100_000  # of a curve
_MOST_NATS = 999.0
_BEHIND_NATS = 0.1  # the network on its own text, beside both on new text


class TrainingCancelled(Exception):
    """A person cancelled the training; nothing was kept but its last checkpoint."""


class TrainingInterrupted(Exception):
    """The training was asked to pause; its checkpoint is saved and it can go on from there."""


class Progress(BaseModel, frozen=True):
    """How far a training has come. Losses in nats per character, None until known."""

    doing: Doing = "learning"  # it learns nothing more once it is finishing
    done: float  # share of its learning that is done, by whichever limit comes first
    epoch: int  # from 1
    epochs: int  # the most that there will be; time may end it sooner
    step: int  # batches of this epoch that are done
    steps: int
    train_loss: float | None = None
    heldout_loss: float | None = None
    eta_s: float | None = None  # of learning left, never more than its time limit leaves; None: not measured yet
    chars_per_s: float | None = None


@dataclass(frozen=True)
class Sample:
    """A few lines that were written after an epoch (0: before anything was learned), with the losses at that time (nats
    per character)."""

    epoch: int
    text: str
    train_loss: float | None
    heldout_loss: float | None
    by: Writer | None = None


class Hooks:
    """What a training tells while it runs, and how it is told to stop; this one only waits for the result."""

    def progress(self, event: Progress) -> None:
        """Take note of how far it has come and what it does; called about twice a second, and as that changes."""

    def sample(self, event: Sample) -> None:
        """Take note of a sample drawn after an epoch."""

    def trouble(self, what: Difficulty | None) -> None:
        """Take note of what keeps it from saving; None: nothing does any more."""

    def saved(self) -> None:
        """Take note that a checkpoint is on the disk."""

    def control(self) -> Control | None:
        """Say whether to go on (None), cancel, finish now, or save and pause; asked between batches."""
        return None

    def go_on(self) -> None:
        """For what waits before there is anything to save. Raises TrainingCancelled or TrainingInterrupted."""
        match self.control():
            case "cancel":
                raise TrainingCancelled
            case "interrupt":
                raise TrainingInterrupted


# No training leaves others; a file may come from anybody.
_Count = Annotated[int, Field(ge=0, le=10**12)]
_Share = Annotated[float, Field(ge=0, le=1)]
_Loss = Annotated[float, Field(gt=-1_000, lt=1_000, allow_inf_nan=False)]


class CurvePoint(NamedTuple):
    """Losses at the end of an epoch, in nats per character; `heldout_loss` is None when nothing is held out."""

    epoch: _Count
    train_loss: _Loss
    heldout_loss: _Loss | None = None

    @property
    def watched(self) -> float:
        """The loss that decides which epoch is the best."""
        return self.train_loss if self.heldout_loss is None else self.heldout_loss

    @property
    def behind(self) -> bool:
        """Whether the network adds little to its table yet, however much it learns: its own loss tells then."""
        return self.heldout_loss is not None and self.train_loss - self.heldout_loss > _BEHIND_NATS


def best_point(curve: Sequence[CurvePoint]) -> CurvePoint:
    """The first of the points with the lowest watched loss. Raises ValueError where the curve is empty."""
    return min(curve, key=lambda point: point.watched)


def thinned(curve: Sequence[CurvePoint]) -> tuple[CurvePoint, ...]:
    """As many of a curve's points as a model's file takes, the best and the last among them."""
    every = 1 + len(curve) // max(1, MOST_POINTS - 3)
    kept = {best_point(curve), curve[-1]} if curve else set()
    return tuple(point for index, point in enumerate(curve) if index % every == 0 or point in kept)


def per_char(loss: float, density: float) -> float:
    """A loss in nats per symbol as one per character; a number is no larger than what a model file takes."""
    return min(loss * density, _MOST_NATS) if math.isfinite(loss) else loss


class Measured(BaseModel, frozen=True):
    """How good a model is. Losses are those of the best epoch, whose weights were kept, in nats per character; of words
    and characters in what it wrote these are shares. None: not measured."""

    train_loss: _Loss
    heldout_loss: _Loss | None = None
    network_loss: _Loss | None = None  # there, of the network without a table
    ngrams_loss: _Loss | None = None  # of the table of n-grams alone on what was held out
    starter_loss: _Loss | None = None  # of the starter there, before it learned from the text
    copy_share: _Share | None = None  # in its text verbatim, in runs of 30 characters or more
    known_words: _Share | None = None  # they stand in its text before what is held out, or its last tenth
    usual_known_words: _Share | None = None  # of the words at that end of the text


class TrainingRecord(Measured):
    """How a model came about."""

    epochs: _Count  # begun
    epochs_before: _Count = 0  # of the models that it went on from
    seconds: float = Field(allow_inf_nan=False)  # over all attempts
    stopped: str
    network_because: str = Field("", max_length=200)  # what chose the network, in plain words
    random_seed: int
    curve: tuple[CurvePoint, ...] = Field(max_length=MOST_POINTS)
    """Epoch 0, where there is one, is the model that it went on from."""
    notes: tuple[str, ...] = ()  # warnings in plain words

    def without_companion(self) -> Self:
        """With the loss of the network's own predictions; of what was measured with a table the curve alone stays."""
        alone = self.network_loss
        if alone is None and self.curve:  # of an older version, whose curves were the network's
            alone = best_point(self.curve).heldout_loss
        gone = dict.fromkeys(("ngrams_loss", "known_words", "usual_known_words"))
        return self.model_copy(update={**gone, "heldout_loss": alone})

    @property
    def known_loss(self) -> float:
        """On what was held out; where nothing was, on its own text."""
        return self.train_loss if self.heldout_loss is None else self.heldout_loss


class TrainResult(TrainingRecord):
    stopped: Stopped
    parameters: int  # trainable numbers in the network
    parent: str | None = None  # name of the model that it began with
    samples: tuple[str, ...]  # by the finished model


@dataclass(frozen=True)
class Generation:
    seed: str  # as given, or the window drawn from the corpus
    text: str  # what comes after it
    temperature: float
    min_p: float | None
    random_seed: int
    notes: tuple[str, ...]
    seconds: float


@dataclass(frozen=True)
class Score:
    """How well a model foresees a text."""

    nats: tuple[float, ...]  # what each character of the text as given costs, [chars]
    notes: tuple[str, ...] = ()  # what was charged beside the model's own predictions

    @property
    def chars(self) -> int:
        return len(self.nats)

    @property
    def nats_per_char(self) -> float:
        return math.fsum(self.nats) / self.chars

    @property
    def bits_per_char(self) -> float:
        return self.nats_per_char / math.log(2)
