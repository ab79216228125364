"""How much of a sample stands verbatim in a corpus."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from galvanic import copying
from galvanic.copying import CopyScore, copy_score
from galvanic.errors import UserError
from galvanic.text import TextOptions, prepare
from tests.worker.texts import babble

BOOK = babble(3_000, seed=1)
OWN = "".join(chr(0x4E00 + i) for i in range(300))
"""Characters that are in no corpus here."""


def test_constructed_cases() -> None:
    quoted = BOOK[500:600]
    assert copy_score([quoted], BOOK) == CopyScore(1.0, 100, 100)
    assert copy_score([OWN[:50] + quoted + OWN[50:100]], BOOK) == CopyScore(0.5, 200, 100)
    assert copy_score([OWN], BOOK) == CopyScore(0.0, 300, 0)
    # One short of a run, and exactly one.
    assert copy_score([OWN[:10] + OWN[100:129]], OWN[100:129] + BOOK).share == 0
    assert copy_score([OWN[:10] + OWN[100:130]], OWN[100:130] + BOOK) == CopyScore(0.75, 40, 30)
    # No run goes from one sample to the next.
    assert copy_score([OWN[:20], OWN[20:40]], OWN).share == 0
    assert copy_score([OWN[:20], OWN[20:60], ""], OWN) == CopyScore(40 / 60, 60, 40)
    assert copy_score([], BOOK) == copy_score([""], BOOK) == CopyScore(0.0, 0, 0)
    assert copy_score([BOOK[:10]], BOOK, run=10).share == 1
    with pytest.raises(ValueError, match="run"):
        copy_score([BOOK], BOOK, run=1)


def test_pieces_of_two_places_are_copied_but_not_one_long_piece() -> None:
    # "a b" and "b c" stand in the corpus, "a b c" does not.
    a, b, c = OWN[:40], OWN[40:80], OWN[80:120]
    assert copy_score([a + b + c], a + b + "-" + b + c) == CopyScore(1.0, 120, 80)


def test_a_piece_may_be_longer_than_the_parts_that_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copying, "_PART", 50)
    assert copy_score([BOOK[100:900]], BOOK) == CopyScore(1.0, 800, 800)
    assert copy_score([BOOK[100:140], OWN], BOOK).longest == 40
    file = tmp_path / "book.txt"
    file.write_text("Preface\r\n" * 5 + BOOK.replace(". ", ".\r\n"), "utf-8", newline="")
    assert copy_score([BOOK[100:900].replace(". ", ".\n")], file) == CopyScore(1.0, 800, 800)
    with pytest.raises(UserError):
        copy_score([BOOK], tmp_path / "nothing.txt")


@pytest.mark.parametrize("recipe", ["char", "word"])
def test_a_text_as_it_was_learned(recipe: str) -> None:
    prepared = prepare(BOOK, TextOptions(recipe))
    assert copy_score([BOOK[50:150] + OWN[:100]], prepared) == CopyScore(0.5, 200, 100)


def test_endless_repetition_is_no_trap() -> None:
    score = copy_score(["a" * 1_199 + "b", "ab" * 600], "c" + "a" * 200_000)
    assert score.share == pytest.approx(1_199 / 2_400)
    assert score.longest == 1_199
    assert copy_score(["a" * 200], "a" * 100) == CopyScore(1.0, 200, 100)


@settings(max_examples=150)
@given(
    st.lists(st.text(alphabet="abé😀\udc00", max_size=30), max_size=4),
    st.text(alphabet="abé😀\udc00", max_size=80),
    st.integers(2, 9),
)
def test_the_same_as_looking_up_every_piece(samples: list[str], corpus: str, run: int) -> None:
    copied, longest = 0, 0
    for sample in samples:
        marks = [False] * len(sample)
        for start in range(len(sample)):
            length = 0
            while start + length < len(sample) and sample[start : start + length + 1] in corpus:
                length += 1
            if length >= run:
                longest = max(longest, length)
                marks[start : start + length] = [True] * length
        copied += sum(marks)
    total = sum(map(len, samples))
    score = copy_score(samples, corpus, run)
    assert score == CopyScore(copied / total if total else 0.0, total, longest)
