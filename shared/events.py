"""The life of a job, as the worker tells it: a sequence of typed events in the job's own Redis stream.

`seq` counts within one attempt. The stream id of an event is `{attempt}-{seq}`: Redis itself then refuses an
event that was sent twice and one from an attempt that has been superseded.
"""

from __future__ import annotations

import json
import time
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from shared.jobs import MOST_LENGTH, MOST_VARIANTS
from shared.models import ModelRecord

MOST_EVENT_BYTES = 8 * 2**20
"""Of an event as JSON: more than the longest text takes that a job may ask for."""
Words = Annotated[str, Field(max_length=10_000)]
"""A sentence or a few lines; a note may quote a whole seed."""
Notes = Annotated[tuple[Words, ...], Field(max_length=100)]
Text = Annotated[str, Field(max_length=MOST_LENGTH)]
SeedText = Annotated[str, Field(max_length=20_000)]


class _Event(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    version: Literal[1] = 1
    at: float = Field(default_factory=time.time)


class Queued(_Event):
    """The bot has sent the job."""

    kind: Literal["queued"] = "queued"


class Started(_Event):
    """A worker took the job and reads the text.

    Attributes:
        resumed: it goes on from a checkpoint.
        anew: what was learned before is dropped, because a member withdrew, or messages were deleted or changed before
            it could go on.
    """

    kind: Literal["started"] = "started"
    worker: Words
    resumed: bool = False
    anew: Literal["withdrawn", "changed"] | None = None


Doing = Literal["learning", "measuring", "sampling", "saving", "finishing"]


class Progress(_Event):
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

    kind: Literal["progress"] = "progress"
    doing: Doing = "learning"
    done: float | None = None  # None: told by a worker of an older version
    epoch: int
    epochs: int
    step: int
    steps: int
    train_loss: float | None = None
    heldout_loss: float | None = None
    eta_s: float | None = None
    chars_per_s: float | None = None

    @property
    def share(self) -> float:
        """How much of the learning is done, from 0 to 1."""
        by_steps = (self.epoch - 1 + self.step / max(1, self.steps)) / max(1, self.epochs)
        return min(1.0, max(0.0, by_steps if self.done is None else self.done))


class Sample(_Event):
    """A few lines that the model wrote after an epoch, with that epoch's losses (nats per character).

    Attributes:
        revision: of the channel's transcript that it has read; None: its text is no channel's.
    """

    kind: Literal["sample"] = "sample"
    epoch: int
    text: Words
    train_loss: float | None = None
    heldout_loss: float | None = None
    revision: int | None = None


Difficulty = Literal["disk full", "store away"]


class Trouble(_Event):
    """Something keeps the worker from saving: it tries again and again, and a training goes on meanwhile.

    Attributes:
        what: None: nothing does any more.
    """

    kind: Literal["trouble"] = "trouble"
    what: Difficulty | None = None


class Finished(_Event):
    """A training ended well. The loss curve lies in Redis (`shared.jobs.LOSS_FILE`).

    Attributes:
        model: the model as the registry knows it.
        samples: text drawn from the finished model.
        seconds: time spent training.
        stopped: why it ended: all epochs done, no more progress, out of time, or asked to.
        notes: warnings in plain words.
    """

    kind: Literal["finished"] = "finished"
    model: ModelRecord
    samples: Notes
    seconds: float
    stopped: Literal["done", "early", "time", "finish"] = "done"
    notes: Notes = ()


class Generated(_Event):
    """The answer to a GenerateJob.

    Attributes:
        seed: the seed as the person gave it, or the window drawn from the corpus.
        text: what the model wrote after it.
        notes: warnings in plain words (characters the model never saw).
        masked: words of the server's blocklist were covered.
        seconds: time spent writing.
    """

    kind: Literal["generated"] = "generated"
    seed: SeedText
    text: Text
    temperature: float
    random_seed: int
    notes: Notes = ()
    masked: bool = False
    seconds: float


class ComparedText(BaseModel):
    """One side of a comparison: the variant as it was asked for, and what came of it.

    Attributes:
        text: what the model wrote; empty when `problem` says why there is none.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    model_name: Words
    temperature: float
    text: Text
    problem: Words = ""


class Compared(_Event):
    """The answer to a CompareJob: a text for each variant, in the order asked for.

    Attributes:
        notes: warnings in plain words, each once.
        masked: words of the server's blocklist were covered, in the seed or in a text.
    """

    kind: Literal["compared"] = "compared"
    seed: SeedText
    texts: tuple[ComparedText, ...] = Field(max_length=MOST_VARIANTS)
    random_seed: int
    notes: Notes = ()
    masked: bool = False
    seconds: float


class Surprised(_Event):
    """The answer to a SurpriseJob; the picture lies in Redis.

    Attributes:
        nats_per_char: mean over the text's characters.
        most: the characters that surprised most, each with its nats, the largest first.
    """

    kind: Literal["surprised"] = "surprised"
    nats_per_char: float
    chars: int
    most: tuple[tuple[Words, float], ...] = Field((), max_length=100)
    notes: Notes = ()
    seconds: float


class Pictured(_Event):
    """A model's card was drawn; the picture lies in Redis.

    Attributes:
        facts: what the model folder tells beside the record, as names and values in plain words.
    """

    kind: Literal["pictured"] = "pictured"
    facts: tuple[tuple[Words, Words], ...] = Field((), max_length=100)


class Exported(_Event):
    """A model lies in Redis as one file of `size` bytes."""

    kind: Literal["exported"] = "exported"
    size: int


class Imported(_Event):
    """A model was checked, stored and entered into the registry."""

    kind: Literal["imported"] = "imported"
    model: ModelRecord
    notes: Notes = ()


class Deleted(_Event):
    """A model's files are gone."""

    kind: Literal["deleted"] = "deleted"


class Failed(_Event):
    """The job ended in an error; `problem` and `remedy` are shown to the person."""

    kind: Literal["failed"] = "failed"
    problem: Words
    remedy: Words = ""


class Cancelled(_Event):
    """The job was cancelled by a person."""

    kind: Literal["cancelled"] = "cancelled"


class Interrupted(_Event):
    """The worker is stopping; it has saved a checkpoint and the job went back to the queue."""

    kind: Literal["interrupted"] = "interrupted"


Event = Annotated[
    Queued
    | Started
    | Progress
    | Sample
    | Finished
    | Generated
    | Compared
    | Surprised
    | Pictured
    | Exported
    | Imported
    | Deleted
    | Failed
    | Cancelled
    | Interrupted
    | Trouble,
    Field(discriminator="kind"),
]
TERMINAL = frozenset(
    {
        "finished",
        "generated",
        "compared",
        "surprised",
        "pictured",
        "exported",
        "imported",
        "deleted",
        "failed",
        "cancelled",
    }
)


def kind_of(data: str | bytes) -> str | None:
    """The kind of an event, from its JSON, whatever else another version may have written into it; None: unknown."""
    try:
        event = json.loads(data)
    except (ValueError, RecursionError):
        return None
    kind = event.get("kind") if isinstance(event, dict) else None
    return kind if isinstance(kind, str) else None


_adapter: TypeAdapter[Event] = TypeAdapter(Event, config=ConfigDict(hide_input_in_errors=True))


def parse_event(data: str | bytes) -> Event:
    """Read an event from its JSON.

    Raises:
        pydantic.ValidationError: the data is not an event of this version.
    """
    return _adapter.validate_json(data)
