"""Texts read in pieces: from memory or a file, whatever the pieces, with the same result."""

import re
import textwrap
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from galvanic import source
from galvanic.errors import UserError
from galvanic.source import clean, pieces
from galvanic.text import body, prepare
from galvanic.text.classic import words_only
from tests.worker.texts import babble

RECIPES = ("char", "word", "classic")
SAME_FOLDER = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
SPACING = ("\r\n", "\r", "\n", "\n\n", " ", "  ", "\t", "\0", "\ufeff", "\x0b", "\x0c", "\x1c", "\u2028", "\u3000")
SCRIPTS = ("é", "e\u0301", "👩‍👩‍👧", "👍🏽", "漢字。", "שלום", "مرحبا", "İSTANBUL", "ΟΔΟΣ", "\ud83d", "\udc4d")
ODD = st.sampled_from([*SPACING, *SCRIPTS, "the", "Boat", "boat,", "'tis", "_x1"])
TEXT = st.one_of(st.lists(ODD, max_size=60).map("".join), st.text(st.characters(exclude_categories=[])))
ENOUGH = babble(400)


@given(TEXT, st.integers(1, 7), st.integers(1, 30))
def test_pieces_are_the_cleaned_text_however_it_is_read(text: str, chunk: int, size: int) -> None:
    found = list(pieces(text, size, chunk))
    assert "".join(found) == clean(text)
    assert all(0 < len(piece) <= size for piece in found)
    assert found == list(pieces(text, size))


def test_paragraphs_then_lines_then_words_stay_whole() -> None:
    text = "one two\nthree\n\nfour five six\nseven"
    assert list(pieces(text, 20)) == ["one two\nthree\n\n", "four five six\nseven"]
    assert list(pieces(text, 9)) == ["one two\n", "three\n\n", "four", " five", " six\n", "seven"]
    assert list(pieces("abcdefg", 3)) == ["abc", "def", "g"]


@pytest.fixture(params=[17, 60, 400])
def small(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pieces of some tens of characters, read a few bytes at a time."""
    size = request.param

    def tiny(text: source.Source, _size: int = 0, _chunk: int = 0) -> Iterator[str]:
        # A text in memory and one in a file are read in different parts.
        return pieces(text, size, 64 if isinstance(text, str) else 3)

    for module in ("body", "recipe"):
        monkeypatch.setattr(f"galvanic.text.{module}.pieces", tiny)
    monkeypatch.setattr(body, "SAMPLE", 1_500)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("recipe", RECIPES)
@SAME_FOLDER
@given(TEXT, st.sampled_from([None, True, False]))
def test_a_file_gives_the_ids_of_its_text(tmp_path: Path, recipe: str, text: str, hard_wrapped: bool | None) -> None:
    text = f"{textwrap.fill(ENOUGH, 60)}\n\n{text}\r\n{ENOUGH}{text}"
    path = tmp_path / "a.txt"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    here = prepare(text, recipe, hard_wrapped)
    there = prepare(path, recipe, hard_wrapped, workdir=tmp_path / "work")
    assert isinstance(there.ids, np.memmap)
    assert here.ids.dtype == there.ids.dtype
    assert np.array_equal(here.ids, there.ids)
    without = ("ids", "vocabulary")
    assert {k: v for k, v in vars(here).items() if k not in without} == {
        k: v for k, v in vars(there).items() if k not in without
    }
    assert here.vocabulary.symbols == there.vocabulary.symbols
    if recipe == "classic":
        if max(map(len, re.split("[ \n]", clean(text)))) < 17:  # else a word may be cut
            assert there.vocabulary.decode(there.ids) == words_only(clean(text))
    elif not there.unwrapped:
        assert there.vocabulary.decode(there.ids) == clean(text)


@pytest.mark.parametrize("recipe", RECIPES)
def test_files_that_cannot_be_read_are_refused(tmp_path: Path, recipe: str) -> None:
    bad = tmp_path / "bad.txt"
    bad.write_bytes(b"words " * 100 + "é".encode()[:1] + b" and more")
    for path, problem in ((bad, "bad.txt isn't UTF-8 text"), (tmp_path / "none.txt", "cannot be read: No such")):
        with pytest.raises(UserError, match=problem):
            prepare(path, recipe)


def test_wrapped_text_gives_the_same_whether_cut_or_not(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "\n\n".join(textwrap.fill(babble(700, seed), 70) for seed in range(40))
    whole = prepare(text)
    for module in ("body", "recipe"):
        monkeypatch.setattr(f"galvanic.text.{module}.pieces", lambda text: pieces(text, 1_000))
    cut = prepare(text)
    assert whole.unwrapped
    assert np.array_equal(whole.ids, cut.ids)
