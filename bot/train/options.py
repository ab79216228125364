"""The options of `train`: how they are typed, and which of them go together."""

from typing import Any, Final

from discord.ext import commands

from bot.options import checks
from bot.options.options import Options, option
from galvanic.errors import UserError
from galvanic.options import STARTER, STARTS, RecipeName, Start, TrainOptions, refuse_for_classic
from galvanic.read.chat import ChatOptions
from shared.models import ModelRecord
from shared.settings import Settings

MORE: Final = "more"  # the source that stands for the text that the model learned from
_SHAPE = ("layers", "units", "embedding")
_KEPT = ("dropout", "batch", "length", "learning_rate")


class TrainFlags(Options):
    """The options of `train`."""

    source: str | None = commands.flag(
        positional=True,
        default=None,
        description="A text of the catalogue, such as frankenstein; a #channel; or `more`",
    )
    recipe: RecipeName | None = option(TrainOptions, "recipe")
    minutes: float | None = option(TrainOptions, "minutes", least=0.1)
    epochs: int | None = option(TrainOptions, "epochs", open_end=True)
    name: str | None = option(TrainOptions, "name")
    parent: str | None = commands.flag(
        name="from", default=None, description="A model to start from; starter: the English that I come with; or none"
    )
    layers: int | None = option(TrainOptions, "layers")
    units: int | None = option(TrainOptions, "units")
    embedding: int | None = option(TrainOptions, "embedding")
    dropout: float | None = option(TrainOptions, "dropout")
    batch: int | None = option(TrainOptions, "batch")
    length: int | None = option(TrainOptions, "length")
    learning_rate: float | None = option(TrainOptions, "learning_rate")
    random_seed: int | None = option(TrainOptions, "random_seed")
    speakers: bool = commands.flag(
        default=False, description="For a channel or a chat: begin each line with an invented name for its author"
    )
    only: str | None = commands.flag(default=None, description="Of a chat, only these people: Ada,Ben")
    without: str | None = commands.flag(default=None, description="Of a chat, all but these people: Ada,Ben")
    text_column: str | None = commands.flag(default=None, description="For a table (CSV, JSON): the column of words")
    speaker_column: str | None = commands.flag(default=None, description="For a table: the column of authors")


def check(flags: TrainFlags, settings: Settings) -> None:
    """Refuse options that can be refused without asking Redis. Raises UserError."""
    checks.in_range("minutes", flags.minutes, 0.1, settings.train_max_minutes)
    checks.in_range("epochs", flags.epochs, 1, settings.train_max_epochs)
    if flags.name is not None:
        flags.name = checks.model_name(flags.name)
    start = start_of(flags)
    if start is not None and is_more(flags):
        raise UserError(
            f"`more` trains a model further, so `--from {start}` doesn't go with it.",
            f"Leave out `--from {start}`, or name a text.",
        )
    if start == STARTER and flags.recipe not in (None, "char"):
        raise UserError(
            f"The starter is a `char` model and can't be trained further as `{flags.recipe}`.",
            f"Leave out `--recipe {flags.recipe}` or `--from starter`.",
        )
    changed = next((name for name in _SHAPE if getattr(flags, name) is not None), None)
    if changed is not None and (starts_from_model(flags) or start == STARTER):
        raise UserError(
            f"A model that is trained further keeps its network, so `--{changed}` can't be set.",
            f"Leave out `--{changed}`, or train a new model.",
        )


def chat_options(flags: TrainFlags) -> ChatOptions:
    """Return the options for a chat."""
    only, without = (() if typed is None else (typed,) for typed in (flags.only, flags.without))
    return ChatOptions(only, without, flags.speakers, flags.text_column or "", flags.speaker_column or "")


def is_more(flags: TrainFlags) -> bool:
    """Return whether the text is the one that the model learned from."""
    return flags.source is not None and flags.source.strip().lower() == MORE


def starts_from_model(flags: TrainFlags) -> bool:
    return (flags.parent is not None and start_of(flags) is None) or is_more(flags)


def start_of(flags: TrainFlags) -> Start | None:
    """Return the start that `--from` names in the place of a model, if any."""
    typed = (flags.parent or "").strip().lower()
    return next((word for word in STARTS if word == typed), None)


def chosen(flags: TrainFlags, settings: Settings, parent: ModelRecord | None) -> TrainOptions:
    """Return the options that were typed; on its own text, `parent` keeps its options, too.

    Raises UserError: the parent has another recipe.
    """
    if parent is not None and flags.recipe not in (None, parent.recipe):
        raise UserError(
            f"`{parent.name}` is a `{parent.recipe}` model and can't be trained further as `{flags.recipe}`.",
            f"Leave out `--recipe {flags.recipe}`, or train a new model.",
        )
    recipe = flags.recipe or (parent.recipe if parent is not None else "char")
    if recipe == "classic":
        refuse_for_classic(flags)
    minutes = flags.minutes
    if minutes is None:
        # Epochs that were asked for are all done, as far as time allows; `classic` has its own default number of them.
        unlimited = flags.epochs is not None or recipe == "classic"
        minutes = settings.train_max_minutes if unlimited else min(settings.train_minutes, settings.train_max_minutes)
    before = parent.options if parent is not None and is_more(flags) else None
    typed = {name: getattr(flags, name) for name in ("epochs", "random_seed", *_SHAPE, *_KEPT)}
    own = _kept(before) | {name: value for name, value in typed.items() if value is not None}
    return TrainOptions(recipe=recipe, minutes=minutes, name=flags.name, start=start_of(flags), **own)


def again(parent: ModelRecord, settings: Settings) -> TrainOptions:
    """Return the options of **Train more**: as long and in the same way as before, within the limits of now."""
    before = parent.options or TrainOptions(recipe=parent.recipe)
    minutes = before.minutes if before.minutes is not None else settings.train_minutes
    return TrainOptions(
        recipe=parent.recipe,
        epochs=min(before.epochs, settings.train_max_epochs) if before.epochs is not None else None,
        minutes=min(minutes, settings.train_max_minutes),
        **_kept(before),
    )


def _kept(before: TrainOptions | None) -> dict[str, Any]:
    """The options that training on the same text again takes over."""
    return {name: getattr(before, name) for name in _KEPT} if before is not None else {}
