"""Finding the text that a command names."""

from __future__ import annotations

import hashlib
from argparse import Namespace
from pathlib import Path

import pytest

from galvanic import reading
from galvanic.cli.base import Cli
from galvanic.errors import UserError
from worker.cli import register

BOOK = "Part 1\nPart 2\n\nPart 1\nA boat.\nPart 2\nA harbour.\n"


@pytest.fixture(params=[True, False])
def cli(request: pytest.FixtureRequest) -> Cli:
    """The engine's alone, and with what the server adds."""
    cli = Cli("galvanic")
    if request.param:
        register(cli)
    return cli


@pytest.fixture
def book(tmp_path: Path) -> Path:
    path = tmp_path / "Book.txt"
    path.write_text(BOOK)
    return path


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def asked(book: Path) -> Namespace:
    return Namespace(text=str(book), keep_licence=False)


def test_a_small_file_is_its_text(cli: Cli, book: Path) -> None:
    text, info = cli.find_text(str(book), book.parent / "work")
    assert text == BOOK
    assert (info.name, info.chars, info.sha256) == ("book", len(BOOK), digest(BOOK))
    cli.least_chars = lambda: 1_000
    with pytest.raises(UserError, match="too short"):
        cli.find_source(asked(book), book.parent / "work")


def test_a_large_file_is_its_path(cli: Cli, book: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "STREAM_ABOVE", 0)
    cli.least_chars = lambda: 0
    work = book.parent / "work"
    source, info = cli.find_text(str(book), work)
    assert source == book
    assert (info.chars, info.sha256) == (len(BOOK), digest(BOOK))
    assert cli.find_text(str(book), None) == (BOOK, info)
    book.write_text(BOOK, "utf-16")
    source, info = cli.find_text(str(book), work)
    assert source == work / "corpus.txt"
    assert source.read_text() == BOOK
    assert info.sha256 == digest(BOOK)


def test_a_text_that_is_not_there_is_said_to_be_missing(cli: Cli, tmp_path: Path) -> None:
    for name in (str(tmp_path / "none.txt"), "none.txt", str(tmp_path)):
        with pytest.raises(UserError, match="no text file"):
            cli.find_text(name, tmp_path)
