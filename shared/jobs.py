"""The messages that travel from the bot to a worker.

All are frozen and versioned; a field that is not known is refused, so that an old worker says so instead
of ignoring what a newer bot asked for.
"""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal, TypeGuard

from pydantic import BaseModel, ConfigDict, Field

from shared.errors import UserError

JOB_VERSION: Final = 1

Snowflake = Annotated[int, Field(ge=0)]
_JOB_ID = r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}"
JobId = Annotated[str, Field(pattern=f"^{_JOB_ID}$")]
"""Part of keys in Redis, and the name of a folder: nothing that leads elsewhere."""
MOST_LENGTH = 1_000_000
"""Characters of a text that a job may ask for; the operator's limit may be lower."""
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
TRAIN_QUEUE = "train"
GENERATE_QUEUE = "generate"
MOST_VARIANTS = 6
"""Texts in one comparison: each is a field of the card, readable without scrolling."""
SURPRISE_LIMIT = 1_000
"""Characters of a text whose surprise is drawn: more would not fit one picture."""
LOSS_FILE, SURPRISE_FILE, MODEL_FILE, CARD_FILE = "loss.png", "surprise.png", "model.galvanic", "card.png"
"""Files of a job's result, or of its request (an import): `keys.artifact(job_id, NAME)`."""


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class TranscriptRef(_Message):
    """A transcript (`shared.transcripts`) as a model learned it.

    Attributes:
        transcript_id: which.
        revision: its revision then. A later one has lost words, so that what learned from this one is stale.
        guild_id: the server whose members wrote it.
        channel_id: who reads this channel, or this private thread, may read the transcript.
    """

    transcript_id: str = Field(max_length=32, pattern=r"^[A-Za-z0-9-]+$")
    revision: int = Field(ge=0)
    guild_id: Snowflake
    channel_id: Snowflake


class CorpusInfo(_Message):
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


class TrainOptions(_Message):
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


def task_of(job: Job) -> tuple[str, str]:
    """The Celery task that runs a job, and its queue. All but trainings go to the generate worker, which is quick."""
    if isinstance(job, TrainJob):
        return TRAIN_TASK, TRAIN_QUEUE
    return task_name(job.kind), GENERATE_QUEUE
