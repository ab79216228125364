"""What the engine gives back, and how it talks while it trains. Works without TensorFlow."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, Protocol

Control = Literal["cancel", "finish", "interrupt"]
Stopped = Literal["done", "early", "time", "finish"]
Doing = Literal["learning", "measuring", "sampling", "saving", "finishing"]
Difficulty = Literal["disk full", "store away"]
"""What keeps a training from saving."""


class TrainingCancelled(Exception):
    """A person cancelled the training; nothing was kept but its last checkpoint."""


class TrainingInterrupted(Exception):
    """The training was asked to pause; its checkpoint is saved and it can go on from there."""


@dataclass(frozen=True)
class Progress:
    """How far a training has come. Losses are in nats per character, None until known.

    Attributes:
        doing: what it does now; it learns nothing more once it is finishing.
        done: share of its learning that is done, by whichever limit comes first.
        epoch: the running epoch, from 1.
        epochs: the most that there will be; time may end it sooner.
        step, steps: position within the epoch, in batches.
        eta_s: seconds of learning that are left, never more than its time limit leaves; None: not measured yet.
        chars_per_s: speed of learning.
    """

    doing: Doing
    done: float
    epoch: int
    epochs: int
    step: int
    steps: int
    train_loss: float | None = None
    heldout_loss: float | None = None
    eta_s: float | None = None
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
    """Hooks for somebody who only waits for the result."""

    def progress(self, event: Progress) -> None:
        """Ignore it."""

    def sample(self, event: Sample) -> None:
        """Ignore it."""

    def trouble(self, what: Difficulty | None) -> None:
        """Ignore it: the log has it."""

    def saved(self) -> None:
        """Ignore it."""

    def control(self) -> Control | None:
        """Go on."""
        return None


@dataclass(frozen=True)
class CurvePoint:
    """Losses at the end of an epoch, in nats per character. `heldout_loss` is None when nothing is held out."""

    epoch: int
    train_loss: float
    heldout_loss: float | None = None

    @property
    def watched(self) -> float:
        """The loss that decides which epoch is the best."""
        return self.train_loss if self.heldout_loss is None else self.heldout_loss


def best_point(curve: tuple[CurvePoint, ...]) -> CurvePoint:
    """The first of the points with the lowest watched loss.

    Raises:
        ValueError: the curve is empty.
    """
    return min(curve, key=lambda point: point.watched)


@dataclass(frozen=True)
class TrainResult:
    """A finished training.

    Attributes:
        parameters: trainable numbers in the network.
        epochs: epochs begun.
        train_loss, heldout_loss: of the best epoch, whose weights were kept; nats per character.
        curve: of each epoch; epoch 0, where there is one, is the model that it went on from.
        samples: texts by the finished model.
        seconds: time spent, over all attempts.
        stopped: why it ended.
        notes: warnings in plain words.
        epochs_before: of the models that it went on from.
        copy_share: share of what it wrote that stands verbatim in the corpus, in runs of 30 characters or more.
    """

    parameters: int
    epochs: int
    train_loss: float
    heldout_loss: float | None
    curve: tuple[CurvePoint, ...]
    samples: tuple[str, ...]
    seconds: float
    stopped: Stopped
    random_seed: int
    notes: tuple[str, ...] = ()
    epochs_before: int = 0
    copy_share: float | None = None


@dataclass(frozen=True)
class Generation:
    """A text that a model wrote.

    Attributes:
        seed: as given, or the window drawn from the corpus.
        text: what comes after it.
    """

    seed: str
    text: str
    temperature: float
    random_seed: int
    notes: tuple[str, ...]
    seconds: float


@dataclass(frozen=True)
class Score:
    """How well a model foresees a text.

    Attributes:
        nats_per_char: mean over the characters of the text as given.
        chars: that many.
        notes: what was charged beside the model's own predictions.
    """

    nats_per_char: float
    chars: int
    notes: tuple[str, ...] = ()

    @property
    def bits_per_char(self) -> float:
        """The same in bits."""
        return self.nats_per_char / math.log(2)


@dataclass(frozen=True)
class Surprise:
    """How much each character of a text surprises a model.

    Attributes:
        nats: of each character of the text as given; together they are what the score charges.
        notes: what was charged beside the model's own predictions.
    """

    nats: tuple[float, ...]
    notes: tuple[str, ...] = ()
