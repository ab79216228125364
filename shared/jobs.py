"""The messages that travel from the bot to a worker.

All are frozen, and an unknown field is refused (see `shared.version.DATA_VERSION`).
"""

import re
from itertools import accumulate
from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from galvanic.options import MOST_LENGTH, CorpusInfo, GenerateOptions, ReadingId, StopAt, TrainOptions

AUTHOR_BYTES = 4  # of the number that stands for the author of a line (`keys.job_authors`)
NOBODY = 0  # user id in jobs that do not say who asked
Snowflake = Annotated[int, Field(ge=0)]
_ID = r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}"  # part of keys in Redis, and a file's or folder's name: no path
JobId = Annotated[str, Field(pattern=f"^{_ID}$")]
ModelId = Annotated[str, Field(pattern=f"^{_ID}$")]
TRAIN_QUEUE = "train"
GENERATE_QUEUE = "generate"
Scope = Literal["guild", "channel"]
MOST_VARIANTS = 6  # texts in one comparison: each is a field of the card, readable without scrolling
MOST_PASSAGES = 4  # in a quiz, one of them the text's
MOST_CANDIDATES = 8  # texts of which one is taken: half of what is written in one pass, whatever else waits for it
SURPRISE_LIMIT = 1_000  # characters: more would not fit one picture
LOSS_FILE, SURPRISE_FILE, MODEL_FILE = "loss.png", "surprise.png", "model.safetensors"
"""Files of a job's result, or of its request (an import): `keys.artifact(job_id, NAME)`."""


def is_id(text: object) -> bool:
    """Return whether this is the id of a job or a model: what comes from Redis or Celery may be anything."""
    return isinstance(text, str) and re.fullmatch(_ID, text) is not None


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Place(_Message):
    """The place where a job was asked for, and the person who asked."""

    guild_id: Snowflake
    channel_id: Snowflake
    user_id: Snowflake
    parent_channel_id: Snowflake | None = None  # of a thread, its channel
    message_id: Snowflake | None = None  # that asked, or whose button did; None: a slash command

    @property
    def channel_ids(self) -> list[int]:
        """The channel, and of a thread its parent: a model of either may be used there."""
        return [self.channel_id] if self.parent_channel_id is None else [self.channel_id, self.parent_channel_id]


class ModelRef(_Message):
    """A model's id, and the name that it had when the job was made."""

    model_id: ModelId
    name: str


class _Job(_Message):
    """A kind of job. A worker's handler (`worker.handlers`) and the bot's presenter (`Delivery.present`) are for it."""

    letter: ClassVar[str]  # begins the ids that a command or button gives to jobs of this kind
    answer: ClassVar[str]  # kind of the event (`shared.events`) with which such a job ends, unless it fails
    job_id: JobId
    place: Place


class ReadingRef(_Message):
    """A reading of a channel that a model learned: who may use the model follows from it."""

    reading_id: ReadingId
    # Who reads this channel or private thread may read the text; 0: it is a member's own words, from a file.
    channel_id: Snowflake
    author_id: Snowflake = 0  # of this member's messages alone; 0: of all who agreed


class ChannelReading(ReadingRef):
    """A reading of a channel for a training, before or after it was done."""

    source_id: Snowflake  # the channel or thread that is read; 0: none
    after: Snowflake = 0  # only messages after this one; 0: all
    until: Snowflake  # only messages up to this id, the highest possible one when the training was asked for
    speakers: bool = False  # each line begins with an invented name of its author

    @property
    def ref(self) -> ReadingRef:
        return ReadingRef(reading_id=self.reading_id, channel_id=self.channel_id, author_id=self.author_id)


class TrainJob(_Job):
    """Learn a text, which lies in Redis under the job (`keys.job_text`); `corpus` is what is known of it."""

    kind: Literal["train"] = "train"
    letter = "t"
    answer = "finished"
    corpus: CorpusInfo
    options: TrainOptions
    parent: ModelRef | None = None  # the model to start from (`--from`, `train more`)
    reading: ChannelReading | None = None  # the channel that it learns; only the bot knows it
    parent_readings: tuple[ReadingRef, ...] = ()  # what the parent learned of channels; only the bot knows it
    parent_scope: Scope = "guild"  # as `shared.models.Ownership` has it
    parent_origins: tuple[Snowflake, ...] = ()  # channels whose uploaded texts the parent learned from
    author_id: Snowflake = 0  # the member whose own words alone it learns, so that the model is theirs; 0: it is not so
    replaces: str | None = None  # id of the model whose place the new one takes
    owner_id: Snowflake = 0  # of the new model, the parent's, if that learned another member's file; 0: who asks

    @property
    def is_unread(self) -> bool:
        """Return whether the channel that it learns is yet to be read."""
        return self.corpus.source == "channel" and not self.corpus.chars

    @property
    def scope(self) -> Scope:
        """Return who may use the new model.

        A text that a member uploaded stays where it was shown, and so does what was learned from it. A model trained
        further in a thread from one of its channel is the thread's: the thread may be private.
        """
        return "channel" if self.corpus.source == "upload" else self.parent_scope

    @property
    def sources(self) -> tuple[int, ...]:
        """The channels whose uploaded texts it learns from, those of its parent included."""
        own = (self.place.channel_id,) if self.corpus.source == "upload" else ()
        return tuple(dict.fromkeys((*self.parent_origins, *own)))

    @property
    def is_private(self) -> bool:
        """Return whether it learns one member's own words, so that its model is theirs alone."""
        return bool(self.author_id)

    @property
    def readings(self) -> tuple[ReadingRef, ...]:
        """Return the readings that it learns from, its own first, then those of its parent."""
        return (*([self.reading.ref] if self.reading is not None else ()), *self.parent_readings)


class MixPart(ModelRef):
    """One model of a mixture. `weight`: before the weights are made to sum to 1."""

    weight: float = Field(gt=0, le=1_000)


class Piece(_Message):
    """A number of characters of a seed. `author_id`: whose words they are; None: the bot's."""

    chars: int = Field(ge=0)
    author_id: Snowflake | None = None


class GenerateJob(_Job, GenerateOptions):
    """Continue `seed` with a model, or with several at once."""

    kind: Literal["generate"] = "generate"
    letter = "g"
    answer = "generated"
    model_id: ModelId  # of a mixture the first
    model_name: str
    seed: str
    mix: tuple[MixPart, ...] = Field((), max_length=8)  # predictions mixed by weight; empty: only `model_id`
    from_line: bool = False  # start from a random line of the corpus
    blocked: tuple[str, ...] = ()  # the server's blocklist: a hit is drawn again, and masked in the end
    shown: int | None = Field(None, ge=0)  # the seed's last characters that are shown (as a text goes on); None: all
    author_id: Snowflake | None = None  # whose words the seed has, if somebody else asks
    pieces: tuple[Piece, ...] = ()  # of all the seed, if it has several's
    # Texts are written of which the one is taken that the seed tells most of; a mixture writes one.
    candidates: int = Field(1, ge=1, le=MOST_CANDIDATES)
    one_line: bool = False  # it ends with its first line

    def words_of(self, user_id: int) -> str:
        """Return the part of the seed that is a person's, if it has `pieces` and was not changed since."""
        ends = [*accumulate(piece.chars for piece in self.pieces)]
        parts = ((self.seed[end - piece.chars : end], piece) for end, piece in zip(ends, self.pieces, strict=True))
        same = ends[-1:] == [len(self.seed)]
        return "".join(part for part, piece in parts if same and piece.author_id == user_id)


class Variant(ModelRef):
    """One side of a comparison; `temperature` None: the recipe's default."""

    temperature: float | None = Field(None, ge=0, le=2)


class CompareJob(_Job):
    """Continue the same seed in several ways: other temperatures, or other models."""

    kind: Literal["compare"] = "compare"
    letter = "k"
    answer = "compared"
    seed: str
    length: int = Field(ge=1, le=MOST_LENGTH)
    variants: tuple[Variant, ...] = Field(min_length=1, max_length=MOST_VARIANTS)
    random_seed: int | None = Field(None, ge=0, lt=2**32)  # the same for all variants; None: drawn
    stop: StopAt | None = None
    blocked: tuple[str, ...] = ()


class SurpriseJob(_Job):
    """Draw how expected each character of `text` was to a model; the picture is `SURPRISE_FILE`."""

    kind: Literal["surprise"] = "surprise"
    letter = "s"
    answer = "surprised"
    model: ModelRef
    text: str = Field(min_length=1, max_length=SURPRISE_LIMIT)
    author_id: Snowflake | None = None  # as of a GenerateJob


class PictureJob(_Job):
    """Draw a model's loss curve, the picture `LOSS_FILE`, and read its facts."""

    kind: Literal["picture"] = "picture"
    letter = "p"
    answer = "pictured"
    model: ModelRef


class QuizJob(_Job):
    """Find a passage of the text that a model learned, and have it write others like it."""

    kind: Literal["quiz"] = "quiz"
    letter = "q"
    answer = "quizzed"
    model: ModelRef
    passages: int = Field(ge=2, le=MOST_PASSAGES)  # in all
    seconds: int = Field(ge=15, le=600)  # from the question to the answer
    blocked: tuple[str, ...] = ()


class ExportJob(_Job):
    """Lay a model, as one file, into Redis as `MODEL_FILE`: a model file, or a page that writes in a browser."""

    kind: Literal["export"] = "export"
    letter = "x"
    answer = "exported"
    model: ModelRef
    most_bytes: int = Field(ge=1)  # what the channel takes; a larger file is refused
    page: bool = False


class ImportJob(_Job):
    """Check an exported model (its bytes lie in Redis as `MODEL_FILE`) and enter it into the guild's registry."""

    kind: Literal["import"] = "import"
    letter = "i"
    answer = "imported"
    file_name: str  # as it was uploaded; only for messages
    name: str | None = None  # None: the one that the file carries
    disk_bytes: int | None = None  # what the guild's models may take in the store; None: no limit


Asked = GenerateJob | CompareJob | SurpriseJob | PictureJob | QuizJob | ExportJob | ImportJob
"""Jobs whose answer a person waits for in the channel."""
Job = TrainJob | Asked


def author_of(job: Job) -> int:
    """Return the author of a job's words: who asked for it, unless they are somebody else's."""
    author_id = job.author_id if isinstance(job, GenerateJob | SurpriseJob) else None
    return job.place.user_id if author_id is None else author_id


def authors_of(job: Job) -> set[int]:
    """Return the authors of a job's words, who may be several."""
    pieces = job.pieces if isinstance(job, GenerateJob) else ()
    return {piece.author_id for piece in pieces if piece.author_id is not None} or {author_of(job)}


def people_of(job: Job) -> set[int]:
    """Return the ids of the member who asked for a job and of those whose words it holds."""
    return {job.place.user_id, *authors_of(job)} - {NOBODY}


def without_people(job: Job) -> Job:
    """Return a job as a worker gets it: without who asked and whose words it has.

    Only a training on one member's own words names their author, whose model's name is theirs alone.
    """
    nobody: dict[str, object] = {"author_id": None, "pieces": ()}
    if isinstance(job, TrainJob):
        nobody = {"reading": None, "parent_readings": (), "owner_id": NOBODY}
    place = job.place.model_copy(update={"user_id": NOBODY, "message_id": None})
    known = {name: value for name, value in nobody.items() if name in type(job).model_fields}
    return job.model_copy(update={"place": place, **known})


def task_name(kind: str) -> str:
    return f"worker.{kind}"
