"""What counts as a word, as a known one, and as a text that ends inside one."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import words
from benchmarks.__main__ import with_texts
from benchmarks.keys import PARTS


def test_words_are_counted_and_known(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(words, "LIST", tmp_path / "words")
    assert with_texts(["clean"], PARTS) == ["clean"]
    assert words.list_lacking() == (
        f"Debian's word list is missing: install the package wamerican, or put one word a line into {words.LIST}."
    )
    words.LIST.write_text("don't\nmorrow\nto\nTh\nEliza\nsea\n", "utf-8")
    assert words.list_lacking() == ""
    found = words.words("“Don’t, to-morrow—” ELIZA’S 3 _sea_--’tis th Vorn Vorn")
    assert found == ["Don't", "to", "morrow", "ELIZA'S", "sea", "tis", "th", "Vorn", "Vorn"]
    known = words.KnownWords("Vorn and Vorn once")
    assert [word for word in [*found, "Once", "eliza"] if word not in known] == ["tis", "th", "Once", "eliza"]
    assert known.lacks(found) == pytest.approx(2 / 9)
    assert words.distinct_fours([["a", "b", "c", "d", "A", "b", "c", "d"], ["x"]]) == pytest.approx(4 / 5)
