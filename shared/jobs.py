"""The two messages that travel from the bot to a worker.

Both are frozen and versioned; a field that is not known is refused, so that an old worker says so instead
of ignoring what a newer bot asked for.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from shared.errors import UserError

JOB_VERSION: Final = 1

Snowflake = Annotated[int, Field(ge=0)]
RecipeName = Literal["char", "word", "classic"]
RECIPES: tuple[RecipeName, ...] = ("char", "word", "classic")
Encoding = Literal["embedding", "one-hot"]
StopAt = Literal["sentence", "line"]
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
    """Keep Project Gutenberg's header and footer, as the tutorial did (`classic`)."""


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
    """

    guild_id: Snowflake
    channel_id: Snowflake
    user_id: Snowflake
    parent_channel_id: Snowflake | None = None


class ModelRef(_Message):
    """A model, as a job names it."""

    model_id: str
    name: str


class TrainJob(_Message):
    """Learn `corpus` (its text lies in Redis under its hash).

    Attributes:
        parent: the model to start from (`--from`, `train more`); None: from nothing.
    """

    version: Literal[1] = JOB_VERSION
    job_id: str
    place: Place
    corpus: CorpusInfo
    options: TrainOptions
    parent: ModelRef | None = None


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
    top_k: int | None = Field(None, ge=1, le=1_000_000)
    top_p: float | None = Field(None, gt=0, le=1)
    min_p: float | None = Field(None, ge=0, lt=1)
    guard: bool | None = None
    stop: StopAt | None = None
    mix: tuple[MixPart, ...] = Field((), max_length=8)


Job = TrainJob | GenerateJob
