"""The options of a training and of a text to write, and the facts about a corpus. Without numpy and TensorFlow.

Each option is declared once, with its limits and its words; library, command line and bot read the declarations.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import NoneType
from typing import Annotated, Any, Literal, TypeVar, cast, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.fields import FieldInfo

from galvanic.errors import UserError
from galvanic.languages import language_name
from galvanic.units import count

RecipeName = Literal["char", "word", "classic"]
RECIPE_WORDS: dict[RecipeName, str] = {  # each recipe's way to read a text, in plain words
    "char": "character by character",
    "word": "word by word",
    "classic": "as in a Keras tutorial",
}
StopAt = Literal["sentence", "line"]
Start = Literal["starter", "none"]
STARTER: Start = "starter"
STARTS: tuple[Start, ...] = get_args(Start)  # words in place of a model to start from; no model has such a name
TextSource = Literal["catalogue", "corpora-dir", "python-docs", "upload", "file", "channel"]
ReadingId = Annotated[str, Field(max_length=32, pattern=r"^[A-Za-z0-9-]+$")]
"""Random name of one reading of a channel. Only the bot knows more of it."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class CorpusInfo(_Frozen):
    """Facts about a text, without its words, which may be shown and logged.

    `sha256`: hash of the UTF-8 text, hexadecimal; empty for a channel that is yet to be read.
    """

    name: str  # short, also the default name of a model (`frankenstein`)
    title: str  # for people ("Frankenstein, by Mary Shelley")
    source: TextSource
    chars: int = Field(ge=0)  # length before preparation
    sha256: str
    licence: str = ""  # one line about the rights in it
    hard_wrapped: bool | None = None  # whether lines are broken at a fixed width, to be joined; None: find out
    reading: ReadingId | None = None  # of a channel's messages
    chat: bool = False  # whether it is an exported chat of people
    left_out: int = Field(0, ge=0)  # characters of Project Gutenberg's header and licence
    skipped: int = Field(0, ge=0)  # files that were given with it and hold no text, such as pictures
    language: str = Field("", pattern=r"^([a-z]{2})?$")  # code of ISO 639-1; empty: not known

    @property
    def extent(self) -> str:
        """Return the length and the language in words, as in `419,335 characters, English`."""
        return ", ".join(filter(None, [count(self.chars, "character"), language_name(self.language)]))

    @property
    def is_messages(self) -> bool:
        """Return whether it is people's messages, of a channel or an exported chat."""
        return self.chat or self.source == "channel" or self.reading is not None

    @property
    def notes(self) -> tuple[str, ...]:
        licence = f"Project Gutenberg's header and licence, {count(self.left_out, 'character')}"
        files = f"{count(self.skipped, 'file')} without text"
        parts = ((self.left_out, licence), (self.skipped, files))
        return tuple(f"Left out: {part}." for number, part in parts if number)


DRAWN = "drawn; the output names it"


def _option(summary: str, usually: str = "", *, otherwise: object = None, **limits: Any) -> Any:
    """Declare an option. `summary`: for people. `usually`: its default in words. `otherwise`: its default."""
    return Field(otherwise, description=summary, json_schema_extra={"usually": usually}, **limits)


class TrainOptions(_Frozen):
    """The options of a training. None: chosen by the size of the text and the speed of the machine."""

    recipe: RecipeName = _option(
        "char (default), word (whole words) or classic (as in a Keras tutorial)",
        "that of the model to start from, else char",
        otherwise="char",
    )
    epochs: int | None = _option(
        "Epochs: how many times to read the text", "as many as the minutes allow", ge=1, le=99_999
    )
    minutes: float | None = _option(
        "Maximum training time in minutes", "8, in a checkout TRAIN_MINUTES; classic: none, but 4 epochs", gt=0
    )
    layers: int | None = _option("LSTM layers", "1; classic: 3", ge=1, le=8)
    units: int | None = _option("LSTM units in each layer", "128 to 768; classic: 256, 256, 128", ge=8, le=4_096)
    embedding: int | None = _option("Size of the input embedding", "char 64, word 256", ge=1, le=4_096)
    dropout: float | None = _option(
        "Dropout: share of each layer's outputs left out at random",
        "char 0 to 0.5, word 0 to 0.7; classic: 0.2",
        ge=0.0,
        le=0.9,
    )
    batch: int | None = _option(
        "Batch size: sequences read side by side", "at most 64, on a GPU 128; classic: 256 windows", ge=1, le=4_096
    )
    length: int | None = _option("Sequence length: symbols read in one step", "64", ge=8, le=4_096)
    learning_rate: float | None = _option(
        "Peak learning rate",
        "0.008, word 0.003; from a model 0.0015, and 0.0006 for a shorter text; classic: 0.001",
        ge=0.00001,
        le=1.0,
    )
    random_seed: int | None = _option("Makes the training repeatable", DRAWN, ge=0, le=2**32 - 1)
    name: str | None = _option("What to call the model")
    start: Start | None = _option(
        "What a new model starts from: starter (the English that I come with) or none",
        "what suits the text",
    )

    @property
    def by_epochs(self) -> bool:
        """Return whether a number of epochs ends it, and not its time limit or the held-out loss."""
        return self.epochs is not None or self.recipe == "classic"


MOST_LENGTH = 1_000_000


class GenerateOptions(_Frozen):
    """The options of a text to write."""

    length: int = _option("Maximum length in characters", "300", otherwise=300, ge=1, le=MOST_LENGTH)
    temperature: float | None = _option(
        "0 is the most predictable, 1 as surprising as the text",
        "0.6 to 0.8, by how well the model foresees text; classic: 0",
        ge=0.0,
        le=2.0,
    )
    # Fan et al. 2018; Holtzman et al. 2020; Nguyen et al. 2024.
    top_k: int | None = _option("Draw only from this many of the likeliest symbols", ge=1, le=1_000_000)
    top_p: float | None = _option("Draw only from the likeliest symbols with this total probability", ge=0.001, le=1.0)
    min_p: float | None = _option(
        "Leave out symbols less likely than this share of the likeliest one",
        "0.1, 0.05 or none, as the temperature; only char",
        ge=0.0,
        le=0.99,
    )
    guard: bool | None = _option("Break out of loops: yes (default; not for classic) or no (--no-guard)")
    stop: StopAt | None = _option("End with the last whole sentence or line")
    random_seed: int | None = _option("Makes the text repeatable", DRAWN, ge=0, le=2**32 - 1)
    from_corpus: bool = _option("Start from a random place in the text, without a seed", otherwise=False)


@dataclass(frozen=True)
class Option:
    """An option of `TrainOptions` or `GenerateOptions`, as a person sees and types it.

    `typed`: its name after `--`. `usually`: its default in words. `kind`: the type of its value (int, float, bool or
    str). `low`, `high`: its limits, inclusive (except that `minutes` must be above its `low`); None: no limit.
    """

    field: str
    typed: str
    summary: str
    usually: str
    kind: type[object]
    choices: tuple[str, ...]
    low: int | float | None
    high: int | float | None


def options_of(model: type[TrainOptions] | type[GenerateOptions]) -> dict[str, Option]:
    """Return the options by the names of their fields, in the order of their declaration."""
    return {name: _described(name, field) for name, field in model.model_fields.items()}


def _described(name: str, field: FieldInfo) -> Option:
    kind = field.annotation
    if get_origin(kind) is not Literal:
        kind = next((part for part in get_args(kind) if part is not NoneType), kind)
    choices = get_args(kind)
    limits = {
        side: getattr(mark, side) for mark in field.metadata for side in ("ge", "gt", "le") if hasattr(mark, side)
    }
    extra = cast(dict[str, str], field.json_schema_extra)
    return Option(
        field=name,
        typed="lr" if name == "learning_rate" else name.replace("_", "-"),
        summary=field.description or "",
        usually=extra["usually"],
        kind=str if choices else cast(type[object], kind),
        choices=choices,
        low=limits.get("ge", limits.get("gt")),
        high=limits.get("le"),
    )


M = TypeVar("M", bound=BaseModel)


def checked(model: type[M], values: Mapping[str, object]) -> M:
    """Make a pydantic model of these values. Raises UserError that names the first value that is not allowed."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        problem = first["msg"].replace("Input should", "must")
        raise UserError(f"`{'.'.join(map(str, first['loc']))}`: {problem}.") from None


@dataclass(frozen=True)
class TrainLimits:
    """An installation's limits for trainings."""

    minutes: float = 8.0  # time limit if a person names neither minutes nor epochs
    checkpoint_s: float = 60.0  # seconds between two checkpoints, the most that a killed training loses


NOT_FOR_CLASSIC = {  # options without effect in the recipe `classic`, and why
    "embedding": "puts each character in as one number",
    "length": "always reads windows of 100 characters",
}


def refuse_for_classic(chosen: object) -> None:
    """Refuse options that have one of `NOT_FOR_CLASSIC`. Raises UserError."""
    for name, why in NOT_FOR_CLASSIC.items():
        if getattr(chosen, name) is not None:
            raise UserError(
                f"`--{name}` doesn't go with the recipe `classic`: it {why}.",
                f"Leave out `--{name}`, or take the recipe `char`.",
            )
