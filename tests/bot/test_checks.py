"""Values of options, and names."""

from __future__ import annotations

import pytest

from bot.options import checks
from shared.errors import UserError


@pytest.mark.parametrize("value", [0, 11, -3])
def test_out_of_range_tells_the_range(value: int) -> None:
    with pytest.raises(UserError, match="Choose a value from 1 to 10"):
        checks.in_range("epochs", value, 1, 10)


def test_figures_are_shown_as_people_write_them() -> None:
    with pytest.raises(UserError, match=r"`--lr` is 2, .* from 0\.00001 to 1\."):
        checks.in_range("lr", 2.0, 0.00001, 1.0)
    with pytest.raises(UserError, match=r"to 1,000,000\."):
        checks.in_range("top-k", 0, 1, 1_000_000)


@pytest.mark.parametrize("value", [None, 1, 10])
def test_limits_are_inclusive(value: int | None) -> None:
    assert checks.in_range("epochs", value, 1, 10) == value


@pytest.mark.parametrize("name", ["../x", "a b", "-a", "x" * 33, "", "näme"])
def test_names_that_could_be_paths_or_markup_are_refused(name: str) -> None:
    with pytest.raises(UserError):
        checks.model_name(name)


def test_names_are_lower_case() -> None:
    assert checks.model_name(" My-Model_2 ") == "my-model_2"
