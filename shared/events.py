"""The life of a job: a sequence of typed events from the worker in the job's own Redis stream.

`seq` counts within one attempt. The stream id of an event is `{attempt}-{seq}`: Redis itself then refuses an event that
was sent twice and one from an attempt that has been superseded.
"""

import time
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from galvanic import results
from galvanic.options import MOST_LENGTH
from galvanic.results import Difficulty
from shared.jobs import MOST_PASSAGES, MOST_VARIANTS
from shared.models import ModelFacts

MOST_EVENT_BYTES = 8 * 2**20  # as JSON: more than the longest text takes that a job may ask for
Words = Annotated[str, Field(max_length=10_000)]  # a sentence or a few lines; a note may quote a whole seed
Notes = Annotated[tuple[Words, ...], Field(max_length=100)]
Text = Annotated[str, Field(max_length=MOST_LENGTH)]
SeedText = Annotated[str, Field(max_length=20_000)]


class _Event(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    at: float = Field(default_factory=time.time)


class Queued(_Event):
    """The job waits for a worker."""

    kind: Literal["queued"] = "queued"


class Started(_Event):
    """A worker has begun. `worker`: its host's name, for the log. `resumed`: from a checkpoint."""

    kind: Literal["started"] = "started"
    worker: Words
    resumed: bool = False


class Progress(_Event, results.Progress):
    """A training's progress; it replaces the one before."""

    kind: Literal["progress"] = "progress"

    @property
    def share(self) -> float:
        """Return the part of the learning that is done, from 0 to 1."""
        return min(1.0, max(0.0, self.done))


class Sample(_Event, results.Sample):
    """Lines that a model wrote during its training."""

    kind: Literal["sample"] = "sample"
    text: Words


class Trouble(_Event):
    """A difficulty that keeps the worker from saving, which it tries again; None: it is over."""

    kind: Literal["trouble"] = "trouble"
    what: Difficulty | None = None


class Finished(_Event):
    """The loss curve is in Redis (`LOSS_FILE`). `seconds`: of training. `notes`: warnings in plain words."""

    kind: Literal["finished"] = "finished"
    model: ModelFacts
    samples: Notes
    seconds: float
    stopped: Literal["done", "early", "time", "finish"] = "done"
    notes: Notes = ()


class Generated(_Event):
    """A text that was written.

    `seed`: as given, or the window drawn from the corpus. `notes`: warnings in plain words. `masked`: words of the
    server's blocklist were covered. `seconds`: of writing.
    """

    kind: Literal["generated"] = "generated"
    seed: SeedText
    text: Text
    temperature: float
    min_p: float | None = None
    random_seed: int
    notes: Notes = ()
    masked: bool = False
    seconds: float


class ComparedText(BaseModel):
    """One text of a comparison; it is empty when `problem` says why there is none."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    model_name: Words
    temperature: float
    text: Text
    problem: Words = ""


class Compared(_Event):
    """A text for each variant, in the order asked for. `notes` and `masked` as in `Generated`, for all of them."""

    kind: Literal["compared"] = "compared"
    seed: SeedText
    texts: tuple[ComparedText, ...] = Field(max_length=MOST_VARIANTS)
    random_seed: int
    notes: Notes = ()
    masked: bool = False
    seconds: float


class Surprised(_Event):
    """The picture is in Redis. `nats_per_char`: mean over the text. `most`: the most surprising characters, each
    with its nats, the largest first."""

    kind: Literal["surprised"] = "surprised"
    nats_per_char: float
    chars: int
    most: tuple[tuple[Words, float], ...] = Field((), max_length=100)
    notes: Notes = ()
    seconds: float


class Pictured(_Event):
    """The picture is in Redis. `facts`: what the model folder tells beside the record, as names and values in words."""

    kind: Literal["pictured"] = "pictured"
    facts: tuple[tuple[Words, Words], ...] = Field((), max_length=100)


class Quizzed(_Event):
    """The passages of a quiz. `real`: which, from 0, is the text's."""

    kind: Literal["quizzed"] = "quizzed"
    passages: tuple[Words, ...] = Field(min_length=2, max_length=MOST_PASSAGES)
    real: int = Field(ge=0, lt=MOST_PASSAGES)


class Exported(_Event):
    """The model is in Redis as one file of `size` bytes."""

    kind: Literal["exported"] = "exported"
    size: int


class Imported(_Event):
    """An imported model is in the registry."""

    kind: Literal["imported"] = "imported"
    model: ModelFacts
    notes: Notes = ()


class Failed(_Event):
    """The job could not be done; `problem` and `remedy` are shown to the person."""

    kind: Literal["failed"] = "failed"
    problem: Words
    remedy: Words = ""


class Cancelled(_Event):
    """The job was cancelled, by a person or by the bot."""

    kind: Literal["cancelled"] = "cancelled"


class Interrupted(_Event):
    """The job waits again: its worker stops, and has saved a checkpoint, or is gone.

    `text_changed`: because words were withdrawn; it begins anew with a text that is without them.
    """

    kind: Literal["interrupted"] = "interrupted"
    text_changed: bool = False


Answered = Generated | Compared | Surprised | Pictured | Quizzed | Exported
Ended = Answered | Finished | Imported | Failed | Cancelled
Event = Annotated[Queued | Started | Progress | Sample | Trouble | Interrupted | Ended, Field(discriminator="kind")]
_ENDS: dict[str, type[_Event]] = {str(event.model_fields["kind"].default): event for event in get_args(Ended)}
TERMINAL = frozenset(_ENDS)  # kinds of events that end a job


def answer_of(job: type[Any]) -> type[_Event]:
    """Return the event with which a job of this kind ends, unless it fails."""
    return _ENDS[job.answer]


_adapter: TypeAdapter[Event] = TypeAdapter(Event, config=ConfigDict(hide_input_in_errors=True))


def parse_event(data: str | bytes) -> Event:
    """Read an event. Raises pydantic.ValidationError if the data is none."""
    return _adapter.validate_json(data)
