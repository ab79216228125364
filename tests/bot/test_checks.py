"""Options as people type them."""

from __future__ import annotations

import pytest

from bot import checks
from shared.errors import UserError

OPTIONS = ("recipe", "epochs", "random-seed")


def test_a_mistyped_option_is_refused_with_the_near_one() -> None:
    with pytest.raises(UserError, match="Did you mean `--epochs`"):
        checks.no_unknown_option("frankenstein --epohcs 3", OPTIONS)


def test_an_option_that_nothing_resembles_is_refused_with_the_list() -> None:
    with pytest.raises(UserError, match="`--recipe`, `--epochs`, `--random-seed`"):
        checks.no_unknown_option("frankenstein --zzz", OPTIONS)


@pytest.mark.parametrize("text", ["he said--and left", "a -- b", "--whatever he said", "plain", "", None])
def test_dashes_in_prose_are_prose(text: str | None) -> None:
    checks.no_unknown_option(text, OPTIONS, free_text=True)


def test_a_near_miss_is_refused_in_prose_too() -> None:
    with pytest.raises(UserError, match="random-seed"):
        checks.no_unknown_option("the monster --randomseed 3", OPTIONS, free_text=True)


@pytest.mark.parametrize("value", [0, 11, -3])
def test_out_of_range_tells_the_range(value: int) -> None:
    with pytest.raises(UserError, match="It goes from 1 to 10"):
        checks.in_range("epochs", value, 1, 10)


@pytest.mark.parametrize("value", [None, 1, 10])
def test_limits_are_inclusive(value: int | None) -> None:
    assert checks.in_range("epochs", value, 1, 10) == value


@pytest.mark.parametrize("name", ["../x", "a b", "-a", "x" * 33, "", "näme"])
def test_names_that_could_be_paths_or_markup_are_refused(name: str) -> None:
    with pytest.raises(UserError):
        checks.model_name(name)


def test_names_are_lower_case() -> None:
    assert checks.model_name(" My-Model_2 ") == "my-model_2"
