"""Options as people type them."""

from __future__ import annotations

import pytest
from discord.ext import commands

from bot.options import Options
from shared.errors import UserError


class Strict(Options):
    source: str | None = commands.flag(positional=True, default=None)
    epochs: int | None = commands.flag(default=None)
    random_seed: int | None = commands.flag(default=None)
    keep_licence: bool = commands.flag(default=False)


class Prose(Strict):
    free_text = True
    source: str | None = commands.flag(positional=True, default=None)


def test_words_before_the_first_option_are_the_positional_part() -> None:
    assert Strict.parse_flags("the monster --epochs 3") == {"source": ["the monster"], "epochs": ["3"]}


@pytest.mark.parametrize("typed", ["--random-seed 7", "--random_seed 7", "--Random-Seed 7"])
def test_names_may_be_typed_with_dashes(typed: str) -> None:
    assert Strict.parse_flags(f"x {typed}") == {"source": ["x"], "random_seed": ["7"]}


@pytest.mark.parametrize(
    ("typed", "value"),
    [("--keep-licence", "yes"), ("--keep-licence no", "no"), ("--keep-licence --epochs 3", "yes")],
)
def test_a_switch_needs_no_value(typed: str, value: str) -> None:
    assert Strict.parse_flags(f"x {typed}")["keep_licence"] == [value]


def test_a_switch_may_come_first() -> None:
    assert Strict.parse_flags("--keep-licence the monster --epochs 2") == {
        "source": ["the monster"],
        "keep_licence": ["yes"],
        "epochs": ["2"],
    }


def test_a_mistyped_option_is_refused_with_the_near_one() -> None:
    with pytest.raises(UserError, match="Did you mean `--epochs`"):
        Strict.parse_flags("frankenstein --epohcs 3")


def test_a_mistyped_option_after_another_is_refused_too() -> None:
    with pytest.raises(UserError, match="Did you mean `--random-seed`"):
        Strict.parse_flags("frankenstein --epochs 3 --randomseed 4")


def test_an_option_that_nothing_resembles_is_refused_with_the_list() -> None:
    with pytest.raises(UserError, match="`--epochs`, `--random-seed`, `--keep-licence`"):
        Strict.parse_flags("frankenstein --zzz")


@pytest.mark.parametrize("text", ["he said--and left", "a -- b", "--whatever he said", "plain"])
def test_dashes_in_prose_are_prose(text: str) -> None:
    assert Prose.parse_flags(text) == {"source": [text]}


def test_a_near_miss_is_refused_in_prose_too() -> None:
    with pytest.raises(UserError, match="random-seed"):
        Prose.parse_flags("the monster --randomseed 3")


def test_an_option_without_a_value_is_an_error() -> None:
    with pytest.raises(commands.MissingFlagArgument):
        Strict.parse_flags("x --epochs")


@pytest.mark.parametrize("typed", ["--epochs many", "--epochs 1.5", "--random-seed x"])
def test_a_number_that_is_none_is_named(typed: str) -> None:
    with pytest.raises(commands.BadFlagArgument) as caught:
        Strict.parse_flags(f"x {typed}")
    assert caught.value.flag.name.replace("_", "-") in typed
