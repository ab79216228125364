"""What the engine returns, and how it talks while it trains. Works without TensorFlow."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, Protocol

Control = Literal["cancel", "finish", "interrupt"]
Stopped = Literal["done", "early", "time", "finish"]
Doing = Literal["learning", "measuring", "sampling", "saving", "finishing"]
Difficulty = Literal["disk full", "store away"]  # what keeps a training from saving


class TrainingCancelled(Exception):
    """A person cancelled the training; nothing was kept but its last checkpoint."""


class TrainingInterrupted(Exception):
    """The training was asked to pause; its checkpoint is saved and it can go on from there."""


@dataclass(frozen=True)
class Progress:
    """Losses in nats per character, None until known."""

    doing: Doing  # it learns nothing more once it is finishing
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
    """A few lines that the model wrote after an epoch, with that epoch's losses (nats per character)."""

    epoch: int
    text: str
    train_loss: float
    heldout_loss: float | None


class Hooks(Protocol):
    """What a training tells while it runs, and how it is told to stop."""

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


class NoHooks:
    """For somebody who only waits for the result."""

    def progress(self, event: Progress) -> None:
        pass

    def sample(self, event: Sample) -> None:
        pass

    def trouble(self, what: Difficulty | None) -> None:
        pass

    def saved(self) -> None:
        pass

    def control(self) -> Control | None:
        return None


@dataclass(frozen=True)
class CurvePoint:
    """Losses at the end of an epoch, in nats per character; `heldout_loss` is None when nothing is held out."""

    epoch: int
    train_loss: float
    heldout_loss: float | None = None

    @property
    def watched(self) -> float:
        """The loss that decides which epoch is the best."""
        return self.train_loss if self.heldout_loss is None else self.heldout_loss


def best_point(curve: tuple[CurvePoint, ...]) -> CurvePoint:
    """The first of the points with the lowest watched loss. Raises ValueError where the curve is empty."""
    return min(curve, key=lambda point: point.watched)


@dataclass(frozen=True)
class TrainResult:
    """Losses are those of the best epoch, whose weights were kept, in nats per character."""

    parameters: int  # trainable numbers in the network
    epochs: int  # begun
    train_loss: float
    heldout_loss: float | None
    curve: tuple[CurvePoint, ...]  # epoch 0, where there is one, is the model that it went on from
    samples: tuple[str, ...]  # by the finished model
    seconds: float  # over all attempts
    stopped: Stopped
    random_seed: int
    notes: tuple[str, ...] = ()  # warnings in plain words
    epochs_before: int = 0  # of the models that it went on from
    copy_share: float | None = None  # of what it wrote: in its text verbatim, in runs of 30 characters or more


@dataclass(frozen=True)
class Generation:
    seed: str  # as given, or the window drawn from the corpus
    text: str  # what comes after it
    temperature: float
    random_seed: int
    notes: tuple[str, ...]
    seconds: float


@dataclass(frozen=True)
class Score:
    """How well a model foresees a text."""

    nats_per_char: float  # mean over the characters of the text as given
    chars: int  # that many
    notes: tuple[str, ...] = ()  # what was charged beside the model's own predictions

    @property
    def bits_per_char(self) -> float:
        return self.nats_per_char / math.log(2)


@dataclass(frozen=True)
class Surprise:
    """How much each character of a text surprises a model."""

    nats: tuple[float, ...]  # of each character of the text as given; together they are what the score charges
    notes: tuple[str, ...] = ()  # what was charged beside the model's own predictions
