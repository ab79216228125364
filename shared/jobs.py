"""The messages that travel from the bot to a worker.

All are frozen and versioned; a field that is not known is refused, so that an old worker says so instead
of ignoring what a newer bot asked for.
"""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal, TypeGuard

from pydantic import BaseModel, ConfigDict, Field

from galvanic.options import NOT_FOR_CLASSIC as NOT_FOR_CLASSIC
from galvanic.options import RECIPE_WORDS as RECIPE_WORDS
from galvanic.options import RECIPES as RECIPES
from galvanic.options import CorpusInfo as CorpusInfo
from galvanic.options import Encoding as Encoding
from galvanic.options import RecipeName as RecipeName
from galvanic.options import StopAt as StopAt
from galvanic.options import TrainOptions as TrainOptions
from galvanic.options import TranscriptRef as TranscriptRef
from galvanic.options import refuse_for_classic as refuse_for_classic

JOB_VERSION: Final = 1

Snowflake = Annotated[int, Field(ge=0)]
_JOB_ID = r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}"
JobId = Annotated[str, Field(pattern=f"^{_JOB_ID}$")]
"""Part of keys in Redis, and the name of a folder: nothing that leads elsewhere."""
MOST_LENGTH = 1_000_000
"""Characters of a text that a job may ask for; the operator's limit may be lower."""
TRAIN_QUEUE = "train"
GENERATE_QUEUE = "generate"
MOST_VARIANTS = 6
"""Texts in one comparison: each is a field of the card, readable without scrolling."""
SURPRISE_LIMIT = 1_000
"""Characters of a text whose surprise is drawn: more would not fit one picture."""
LOSS_FILE, SURPRISE_FILE, MODEL_FILE, CARD_FILE = "loss.png", "surprise.png", "model.safetensors", "card.png"
"""Files of a job's result, or of its request (an import): `keys.artifact(job_id, NAME)`."""


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Place(_Message):
    """Where a job was asked for, and by whom.

    Attributes:
        parent_channel_id: of a thread, the channel that it belongs to.
        message_id: the message that asked, or whose button did; None: a slash command.
    """

    guild_id: Snowflake
    channel_id: Snowflake
    user_id: Snowflake
    parent_channel_id: Snowflake | None = None
    message_id: Snowflake | None = None

    @property
    def channel_ids(self) -> list[int]:
        """The channel, and of a thread its parent: a model of either may be used there."""
        return [self.channel_id] if self.parent_channel_id is None else [self.channel_id, self.parent_channel_id]


class ModelRef(_Message):
    """A model, as a job names it."""

    model_id: str
    name: str


class TrainJob(_Message):
    """Learn `corpus` (its text lies in Redis under its hash).

    Attributes:
        parent: the model to start from (`--from`, `train more`); None: from nothing.
        parent_transcripts: the messages that the parent learned from; None: nobody can tell.
        replaces: id of the stale model whose place the new one takes; None: of none.
    """

    version: Literal[1] = JOB_VERSION
    kind: Literal["train"] = "train"
    job_id: JobId
    place: Place
    corpus: CorpusInfo
    options: TrainOptions
    parent: ModelRef | None = None
    parent_transcripts: tuple[TranscriptRef, ...] | None = None
    replaces: str | None = None

    @property
    def transcripts(self) -> tuple[TranscriptRef, ...] | None:
        """The messages that it learns from, those of its parent included; None: nobody can tell."""
        own = (self.corpus.transcript,) if self.corpus.transcript is not None else ()
        if self.parent is None:
            return own
        return None if self.parent_transcripts is None else (*own, *self.parent_transcripts)


class MixPart(ModelRef):
    """One voice of a mixture, and its share before the shares are made to sum to 1."""

    weight: float = Field(gt=0, le=1_000)


class GenerateJob(_Message):
    """Continue `seed` with a model, or with several at once.

    Attributes:
        model_id, model_name: the model; of a mixture the first.
        mix: two or more models whose predictions are mixed by weight; empty: only `model_id`.
        seed: text to continue.
        length: characters to write at most.
        top_k: draw only from the so many likeliest symbols.
        top_p: draw only from the likeliest symbols that together have this probability (Holtzman et al. 2020).
        min_p: draw only from symbols with this share of the likeliest one's probability (Nguyen et al. 2024).
        guard: break out of loops; None: the recipe's default.
        stop: end at the end of a sentence or line, within `length`.
        temperature: 0 means the most likely character every time; None: the recipe's default.
        from_corpus: start from a random window of the corpus instead of a seed (the tutorial's demonstration).
        from_line: start from a random line of the corpus instead of a seed.
        blocked: the server's blocklist (`shared.blocklist`): a hit is drawn again, and masked in the end.
        shown: how many of the seed's last characters are shown; None: all. For going on with a text.
        author_id: whose words the seed has, where somebody else asks: who first gave it to the bot.
    """

    version: Literal[1] = JOB_VERSION
    kind: Literal["generate"] = "generate"
    job_id: JobId
    place: Place
    model_id: str
    model_name: str
    seed: str
    length: int = Field(ge=1, le=MOST_LENGTH)
    temperature: float | None = Field(None, ge=0, le=2)
    random_seed: int | None = Field(None, ge=0, lt=2**32)
    from_corpus: bool = False
    top_k: int | None = Field(None, ge=1, le=1_000_000)
    top_p: float | None = Field(None, gt=0, le=1)
    min_p: float | None = Field(None, ge=0, lt=1)
    guard: bool | None = None
    stop: StopAt | None = None
    mix: tuple[MixPart, ...] = Field((), max_length=8)
    from_line: bool = False
    blocked: tuple[str, ...] = ()
    shown: int | None = Field(None, ge=0)
    author_id: Snowflake | None = None


class Variant(ModelRef):
    """One side of a comparison; `temperature` None: the recipe's default."""

    temperature: float | None = Field(None, ge=0, le=2)


class CompareJob(_Message):
    """Continue the same seed in several ways: other temperatures, or other models.

    Attributes:
        variants: what is compared.
        random_seed: the same for all, so that only the variant differs; None: drawn.
        blocked: as of a GenerateJob.
    """

    version: Literal[1] = JOB_VERSION
    kind: Literal["compare"] = "compare"
    job_id: JobId
    place: Place
    seed: str
    length: int = Field(ge=1, le=MOST_LENGTH)
    variants: tuple[Variant, ...] = Field(min_length=1, max_length=MOST_VARIANTS)
    random_seed: int | None = Field(None, ge=0, lt=2**32)
    stop: StopAt | None = None
    blocked: tuple[str, ...] = ()


class SurpriseJob(_Message):
    """Draw how expected each character of `text` was to a model; the picture is `SURPRISE_FILE`.

    Attributes:
        author_id: as of a GenerateJob.
    """

    version: Literal[1] = JOB_VERSION
    kind: Literal["surprise"] = "surprise"
    job_id: JobId
    place: Place
    model: ModelRef
    text: str = Field(min_length=1, max_length=SURPRISE_LIMIT)
    author_id: Snowflake | None = None


class PictureJob(_Message):
    """Draw a model's card from its folder: its loss curve and its figures; the picture is `CARD_FILE`."""

    version: Literal[1] = JOB_VERSION
    kind: Literal["picture"] = "picture"
    job_id: JobId
    place: Place
    model: ModelRef


class ExportJob(_Message):
    """Lay a model, as one file, into Redis as `MODEL_FILE`.

    Attributes:
        most_bytes: what the channel takes; a larger file is refused.
    """

    version: Literal[1] = JOB_VERSION
    kind: Literal["export"] = "export"
    job_id: JobId
    place: Place
    model: ModelRef
    most_bytes: int = Field(ge=1)


class ImportJob(_Message):
    """Check an exported model (its bytes lie in Redis as `MODEL_FILE`) and enter it into the guild's registry.

    Attributes:
        file_name: as it was uploaded; only for messages.
        name: what to call the model; None: the name it carries.
        disk_bytes: what all models of the guild may take in the store; None: as much as there is.
    """

    version: Literal[1] = JOB_VERSION
    kind: Literal["import"] = "import"
    job_id: JobId
    place: Place
    file_name: str
    name: str | None = None
    disk_bytes: int | None = None


class DeleteJob(_Message):
    """Remove the files of a model that is no longer in any registry. Nobody waits for it; it never expires."""

    version: Literal[1] = JOB_VERSION
    kind: Literal["delete"] = "delete"
    job_id: JobId
    place: Place
    model_id: str


Job = TrainJob | GenerateJob | CompareJob | SurpriseJob | PictureJob | ExportJob | ImportJob | DeleteJob
Asked = GenerateJob | CompareJob | SurpriseJob | PictureJob | ExportJob | ImportJob
"""Jobs whose answer a person waits for in the channel."""


def author_of(job: Job) -> int:
    """Whose words a job holds: of who asked for it, unless they are somebody else's."""
    author_id = job.author_id if isinstance(job, GenerateJob | SurpriseJob) else None
    return job.place.user_id if author_id is None else author_id


def is_job_id(value: object) -> TypeGuard[str]:
    """Whether a value can be the id of a job."""
    return isinstance(value, str) and re.fullmatch(_JOB_ID, value) is not None


def task_name(kind: str) -> str:
    """The Celery task that runs jobs of this kind."""
    return f"worker.{kind}"


TRAIN_TASK = task_name("train")
