"""The two messages that travel from the bot to a worker.

Both are frozen and versioned; a field that is not known is refused, so that an old worker says so instead
of ignoring what a newer bot asked for.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

JOB_VERSION: Final = 1

Snowflake = Annotated[int, Field(ge=0)]
RecipeName = Literal["char", "classic"]
RECIPES: tuple[RecipeName, ...] = ("char", "classic")
TRAIN_QUEUE = "train"
GENERATE_QUEUE = "generate"
TRAIN_TASK = "worker.train"
GENERATE_TASK = "worker.generate"


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class CorpusInfo(_Message):
    """A text, without its words: what is known of it and may be shown and logged.

    Attributes:
        name: short name, also the default name of a model (`frankenstein`).
        title: how a person would call it ("Frankenstein, by Mary Shelley").
        source: where it came from.
        chars: length in characters, as given.
        sha256: of the UTF-8 text, hexadecimal; also the text's address in Redis.
        licence: one line about the rights in it.
        hard_wrapped: lines are broken for a fixed width (a book), so that prose may be unwrapped; None: find out.
    """

    name: str
    title: str
    source: Literal["catalogue", "corpora-dir", "python-docs", "upload", "file"]
    chars: int = Field(ge=0)
    sha256: str
    licence: str = ""
    hard_wrapped: bool | None = None


class TrainOptions(_Message):
    """What a person chose. None: the recipe's default."""

    recipe: RecipeName = "char"
    epochs: int | None = Field(None, ge=1)
    minutes: float | None = Field(None, gt=0)
    random_seed: int | None = Field(None, ge=0, lt=2**32)
    name: str | None = None
    keep_licence: bool = False
    """Keep Project Gutenberg's header and footer, as the tutorial did (`classic`)."""


class Place(_Message):
    """Where a job was asked for, and by whom."""

    guild_id: Snowflake
    channel_id: Snowflake
    user_id: Snowflake


class TrainJob(_Message):
    """Learn `corpus` (its text lies in Redis under its hash)."""

    version: Literal[1] = JOB_VERSION
    job_id: str
    place: Place
    corpus: CorpusInfo
    options: TrainOptions


class GenerateJob(_Message):
    """Continue `seed` with a model.

    Attributes:
        seed: text to continue.
        length: characters to write.
        temperature: 0 means the most likely character every time; None: the recipe's default.
        from_corpus: start from a random window of the corpus instead of a seed (the tutorial's demonstration).
    """

    version: Literal[1] = JOB_VERSION
    job_id: str
    place: Place
    model_id: str
    model_name: str
    seed: str
    length: int = Field(ge=1)
    temperature: float | None = Field(None, ge=0, le=2)
    random_seed: int | None = Field(None, ge=0, lt=2**32)
    from_corpus: bool = False


Job = TrainJob | GenerateJob
