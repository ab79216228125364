"""Values of options, and names."""

from __future__ import annotations

import pytest

from bot.options import checks
from galvanic.errors import UserError


@pytest.mark.parametrize("value", [0, 11, -3])
def test_out_of_range_tells_the_range(value: int) -> None:
    with pytest.raises(UserError, match="Choose a value from 1 to 10"):
        checks.in_range("epochs", value, 1, 10)
    for inside in (None, 1, 10):
        checks.in_range("epochs", inside, 1, 10)


@pytest.mark.parametrize("name", ["../x", "a b", "-a", "x" * 33, "", "näme"])
def test_names_that_could_be_paths_or_markup_are_refused(name: str) -> None:
    with pytest.raises(UserError):
        checks.model_name(name)


def test_names_are_lower_case() -> None:
    assert checks.model_name(" My-Model_2 ") == "my-model_2"


def test_a_temperature_may_be_typed_with_a_comma() -> None:
    assert checks.temperature("0,7") == checks.temperature(" 0.7 ") == 0.7
    for wrong in ("warm", "nan", "inf", "-1", "2.1"):
        with pytest.raises(UserError):
            checks.temperature(wrong)


def test_temperatures_are_numbers_each_once() -> None:
    assert checks.temperatures("0.4, 1,2", 6) == (0.4, 1.0, 2.0)
    assert checks.temperatures(None, 6) == ()
    for wrong in ("0.4", "0.4,nan", "0.4,-1", "0.4,inf", "1,1.0", "0,1,2,0.1,0.2,0.3,0.4"):
        with pytest.raises(UserError):
            checks.temperatures(wrong, 6)
