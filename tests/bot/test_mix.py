"""`--mix` as people type it."""

import pytest
from hypothesis import given, strategies as st

from bot.options.checks import shares
from galvanic.errors import UserError


@pytest.mark.parametrize("typed", ["a:0.7,b:0.3", "a:0.7, b:0.3", " A : 0.7 ,B:0.3 "])
def test_names_and_shares(typed: str) -> None:
    assert shares(typed) == {"a": 0.7, "b": 0.3}


def test_without_shares_the_shares_are_equal() -> None:
    assert shares("a, b,c") == {"a": 1.0, "b": 1.0, "c": 1.0}


@pytest.mark.parametrize(
    ("typed", "problem"),
    [
        ("a", "names only one"),
        (",".join("abcdefghi"), "names 9; it takes 2 to 8"),
        ("a,", "names only one"),
        (":1,b", "`:1` in `--mix` isn't a model with a usable share"),
        ("a:1,b", "`b` has no share"),
        ("a:0,b:1", "`a:0` in `--mix` isn't a model with a usable share"),
        ("a:1,b:-1", "`b:-1` in `--mix`"),
        ("a:1,b:nan", "usable share"),
        ("a:1,b:1e9", "usable share"),
        ("a:1,b:1001", "usable share"),
        ("a:1,b:", "usable share"),
        ("a:1,b:1 the monster", "`b:1 the monster` in `--mix`"),
        ("a,A", "names `a` twice"),
    ],
)
def test_the_part_that_is_wrong_is_named(typed: str, problem: str) -> None:
    with pytest.raises(UserError, match=problem) as caught:
        shares(typed)
    assert caught.value.remedy


@given(st.text(max_size=60))
def test_nothing_that_can_be_typed_breaks_it(typed: str) -> None:
    try:
        weights = shares(typed)
    except UserError:
        return
    assert len(weights) >= 2
    assert all(name and 0 < weight <= 1_000 for name, weight in weights.items())
