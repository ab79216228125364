"""Finding the text that a command names."""

from __future__ import annotations

import hashlib
from functools import partial
from pathlib import Path

import pytest

from galvanic.cli.base import Cli
from galvanic.cli.texts import find_source
from shared.corpora import corpus
from shared.errors import UserError
from worker.cli import find_text

BOOK = "Part 1\nPart 2\n\nPart 1\nA boat.\nPart 2\nA harbour.\n"
SHORT = partial(find_text, to_learn=False)


@pytest.fixture
def book(tmp_path: Path) -> Path:
    path = tmp_path / "Book.txt"
    path.write_text(BOOK)
    return path


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def test_a_small_file_is_its_text(book: Path) -> None:
    text, info = SHORT(str(book), book.parent / "work")
    assert text == BOOK
    assert (info.name, info.chars, info.sha256) == ("book", len(BOOK), digest(BOOK))
    with pytest.raises(UserError, match="too short"):
        find_text(str(book), None)


def test_a_large_file_is_its_path_unless_a_part_is_wanted(book: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(corpus, "STREAM_ABOVE", 0)
    work = book.parent / "work"
    source, info = SHORT(str(book), work)
    assert source == book
    assert (info.chars, info.sha256) == (len(BOOK), digest(BOOK))
    assert SHORT(str(book), None) == (BOOK, info)
    cli = Cli("galvanic")
    for cli.find_text in (SHORT, Cli("galvanic").find_text):
        part, of_part = find_source(cli, str(book), work, until="Part 2", name="mine")
        assert part == BOOK[: BOOK.rindex("Part 2")]
        assert (of_part.name, of_part.chars, of_part.sha256) == ("mine", len(part), digest(part))
    book.write_text(BOOK, "utf-16")
    source, info = SHORT(str(book), work)
    assert source == work / "corpus.txt"
    assert source.read_text() == BOOK
    assert info.sha256 == digest(BOOK)


def test_a_text_that_is_not_there_is_said_to_be_missing(tmp_path: Path) -> None:
    for name in (str(tmp_path / "none.txt"), "none.txt", str(tmp_path)):
        for find in (SHORT, Cli("galvanic").find_text):
            with pytest.raises(UserError, match="no text file"):
                find(name, tmp_path)
