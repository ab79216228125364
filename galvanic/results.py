"""The results of trainings, texts and scores, and the hooks of a training. Works without TensorFlow."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, NamedTuple

from pydantic import BaseModel, Field

Control = Literal["cancel", "finish", "interrupt"]
Stopped = Literal["done", "early", "time", "finish"]
Writer = Literal["network", "table", "both"]  # the author of a sample; the table is one of n-grams
Doing = Literal["learning", "measuring", "sampling", "saving", "finishing"]
Difficulty = Literal["disk full", "store away"]  # what keeps a training from saving
MOST_POINTS = 100_000  # of a curve: the most epochs (`TrainOptions`), and epoch 0
_MOST_NATS = 999.0
_BEHIND_NATS = 0.1  # by which the network's loss on its own text exceeds the mixture's on new text


class TrainingCancelled(Exception):
    """A person cancelled the training; nothing was kept but its last checkpoint."""


class TrainingInterrupted(Exception):
    """The training was asked to pause; its checkpoint is saved and it can go on from there."""


class Progress(BaseModel, frozen=True):
    """A training's progress. Losses are in nats per character, and None until they are measured."""

    doing: Doing = "learning"  # after "finishing" it learns no more
    done: float  # share of the learning that is done, by the limit that comes first
    epoch: int  # from 1
    epochs: int  # the most that there will be; the time limit may come sooner
    step: int  # steps done in this epoch
    steps: int
    train_loss: float | None = None
    heldout_loss: float | None = None
    eta_s: float | None = None  # seconds of learning to come, as far as the time limit allows; None: not measured yet
    chars_per_s: float | None = None


class Sample(BaseModel, frozen=True):
    """Lines written after an epoch (0: before training), with the losses at that time in nats per character."""

    epoch: int
    midway: bool = False  # the epoch was not over
    text: str
    train_loss: float | None = None
    heldout_loss: float | None = None
    by: Writer | None = None


class Measurement(NamedTuple):
    """Measurements at the end of an epoch. Losses are in nats per character; the names are those of Keras."""

    epoch: int
    step: int  # steps of the whole training so far
    seconds: float  # of training so far, over all attempts
    chars_per_second: float | None
    learning_rate: float
    loss: float  # on the text that is learned
    val_loss: float | None  # on the held-out part; None: nothing is held out


class Hooks:
    """A training calls these methods while it runs. This class ignores all events, and never stops a training."""

    def progress(self, event: Progress) -> None:
        """Take note of progress; called about twice a second, and when `doing` changes."""

    def measured(self, event: Measurement) -> None:
        """Take note of the measurements of an epoch; its sample, if there is one, comes next."""

    def sample(self, event: Sample) -> None:
        """Take note of a sample."""

    def trouble(self, what: Difficulty | None) -> None:
        """Take note that something keeps it from saving; None: it could save again."""

    def saved(self) -> None:
        """Take note that a checkpoint is on the disk."""

    def control(self) -> Control | None:
        """Return whether to go on (None), cancel, finish now, or save and pause; called between steps."""
        return None

    def go_on(self) -> None:
        """Ask `control`, where nothing is saved: before the learning, and after it.

        Raises TrainingCancelled or TrainingInterrupted.
        """
        match self.control():
            case "cancel":
                raise TrainingCancelled
            case "interrupt":
                raise TrainingInterrupted


# A training leaves no numbers outside these limits, but a file may come from anybody.
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
        """Return whether the network adds little to the table yet. Then its own loss tells whether it learns."""
        return self.heldout_loss is not None and self.train_loss - self.heldout_loss > _BEHIND_NATS


def best_point(curve: Sequence[CurvePoint]) -> CurvePoint:
    """Return the first point with the lowest watched loss. Raises ValueError if the curve is empty."""
    return min(curve, key=lambda point: point.watched)


def per_char(loss: float, density: float) -> float:
    """Turn a loss in nats per symbol into nats per character, at most `_MOST_NATS`; NaN and infinity stay.

    `density`: symbols per character.
    """
    return min(loss * density, _MOST_NATS) if math.isfinite(loss) else loss


class Measured(BaseModel, frozen=True):
    """Measurements of a model. Losses are those of the best epoch, whose weights were kept, in nats per character.
    Copied characters and known words are shares of those in its samples. None: not measured."""

    train_loss: _Loss
    heldout_loss: _Loss | None = None
    network_loss: _Loss | None = None  # held-out loss of the network alone
    ngrams_loss: _Loss | None = None  # held-out loss of the table of n-grams alone
    starter_loss: _Loss | None = None  # held-out loss of the starter, before it learned from the text
    copy_share: _Share | None = None  # characters in runs of 30 or more that the text has verbatim
    known_words: _Share | None = None  # words that the text has, before its held-out part or last tenth
    usual_known_words: _Share | None = None  # the same share for the words of that part

    @property
    def known_loss(self) -> float:
        """The loss on the held-out part; without one, on its own text."""
        return self.train_loss if self.heldout_loss is None else self.heldout_loss


class TrainingRecord(Measured):
    """A model's training: its result, and how it went."""

    epochs: _Count  # begun
    epochs_before: _Count = 0  # of the models that it went on from
    seconds: float = Field(allow_inf_nan=False)  # over all attempts
    stopped: str
    network_because: str = Field("", max_length=200)  # how the network was chosen, in plain words
    random_seed: int
    curve: tuple[CurvePoint, ...] = Field(max_length=MOST_POINTS)  # of each epoch; epoch 0, if any, is the parent
    notes: tuple[str, ...] = ()  # for people, in plain words


class TrainResult(TrainingRecord):
    """A finished training, as `galvanic.training.train` returns it."""

    stopped: Stopped
    parameters: int  # trainable numbers in the network
    parent: str | None = None  # name of the model that it began with
    samples: tuple[str, ...]  # by the finished model


@dataclass(frozen=True)
class Generation:
    """A text that a model wrote."""

    seed: str  # the request's, or one drawn from the corpus
    text: str  # the continuation
    temperature: float
    min_p: float | None
    random_seed: int
    notes: tuple[str, ...]
    seconds: float


class Prediction(NamedTuple):
    """The probability of each symbol to come next, likeliest first."""

    mixture: dict[str, float]  # by the model, where it writes
    network: dict[str, float]  # by its network alone
    table: dict[str, float] | None  # by its table of n-grams alone; None: it has none


@dataclass(frozen=True)
class Score:
    """A model's loss on a text."""

    nats: tuple[float, ...]  # for each character of the text as given, [chars]
    notes: tuple[str, ...] = ()  # costs beside the model's own predictions, in plain words

    @property
    def chars(self) -> int:
        return len(self.nats)

    @property
    def nats_per_char(self) -> float:
        return math.fsum(self.nats) / self.chars

    @property
    def bits_per_char(self) -> float:
        return self.nats_per_char / math.log(2)
