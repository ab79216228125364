"""The texts of the benchmark: the book that the tutorial used, and the suite."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.keys import SUITE
from galvanic.errors import UserError
from galvanic.options import CorpusInfo
from galvanic.read.text import decode_text
from galvanic.text import prepare
from shared.corpora.corpus import Corpus
from shared.settings import Settings, get_settings
from worker.cli import named_text

BOOK = "frankenstein"
LAST_CHAPTER_BEFORE = "Chapter 10"
"""The tutorial learned the first nine chapters."""
_WORDS_A_PARAGRAPH = 60
_PARAGRAPHS_AT_ONCE = 3_000


def book() -> Corpus:
    """Return the book as the product finds it: from `CORPORA_DIR`, or downloaded once."""
    return _named(BOOK, get_settings())


def _named(name: str, settings: Settings) -> Corpus:
    text, info, _ = named_text(name, settings)
    assert isinstance(text, str)  # without a folder every file is read into memory
    return Corpus(info, text)


def book_lacking() -> str:
    """Say that the book is missing, and where to put it; empty if it is there or can be downloaded."""
    try:
        book()
    except UserError as error:
        return f"{BOOK}.txt is missing ({error.problem.rstrip('.')}): put it into {_corpora()}."
    return ""


def suite_lacking() -> str:
    """Say which other texts of the suite are missing, and where to put them; empty if none is."""
    folder = get_settings().corpora_dir
    absent = [name for name in SUITE[1:] if folder is None or not (folder / "dev" / f"{name}.txt").is_file()]
    if not absent:
        return ""
    return (
        f"Of the suite, {', '.join(f'{name}.txt' for name in absent)} must be put into the folder dev of {_corpora()}."
    )


def _corpora() -> str:
    folder = get_settings().corpora_dir
    return "a folder that CORPORA_DIR names" if folder is None else f"{folder} (CORPORA_DIR)"


def processed(text: str, recipe: str, hard_wrapped: bool | None = None) -> str:
    """Return a text after a recipe's changes."""
    prepared = prepare(text, recipe, hard_wrapped)
    return prepared.vocabulary.decode(np.asarray(prepared.ids))


def measure_text(name: str = BOOK) -> str:
    """Return a text of the suite after the changes of `char`: without a book's header, licence and wrapping.

    The book has 419,335 characters, 83 of them distinct, in Project Gutenberg's file of 2026.
    """
    settings = get_settings()
    if name != BOOK and settings.corpora_dir is not None:
        settings = settings.model_copy(update={"corpora_dir": settings.corpora_dir / "dev"})
    corpus = _named(name, settings)
    return processed(corpus.text, "char", corpus.info.hard_wrapped)


def tutorial_text() -> str:
    """Return the tutorial's text: header and nine chapters through its pipeline (100,551 characters)."""
    book()  # now it is in one of the folders
    settings = get_settings()
    folders = [settings.data_dir / "corpora", *([settings.corpora_dir] if settings.corpora_dir else [])]
    file = next(path for folder in reversed(folders) if (path := folder / f"{BOOK}.txt").is_file())
    text = decode_text(file.read_bytes(), file.name)
    return processed(text[: text.rindex(f"\n{LAST_CHAPTER_BEFORE}") + 1], "classic")


def parts(text: str) -> tuple[str, str]:
    """Split a text into its first 90 %, to learn from, and the rest, to be scored."""
    at = len(text) * 9 // 10
    return text[:at], text[at:]


def info(text: str, name: str = "benchmark") -> CorpusInfo:
    """Return the facts about a text that a training needs."""
    digest = hashlib.sha256(text.encode()).hexdigest()
    return CorpusInfo(name=name, title=name, source="file", chars=len(text), sha256=digest)


def babble(words: list[str], megabytes: float, random_seed: int = 0) -> Iterator[str]:
    """Yield paragraphs of random words, about a megabyte at a time: a text of any size that never repeats."""
    random = np.random.default_rng(random_seed)
    rest = round(megabytes * 1e6)
    while rest > 0:
        drawn = random.integers(0, len(words), (_PARAGRAPHS_AT_ONCE, _WORDS_A_PARAGRAPH))
        chunk = "".join(" ".join([words[word] for word in paragraph]) + "\n\n" for paragraph in drawn.tolist())
        size = len(chunk.encode())
        if size > rest:
            chunk = chunk.encode()[:rest].decode(errors="ignore")
        yield chunk
        rest -= size


def write_babble(path: Path, megabytes: float) -> None:
    """Write a file of so many megabytes, with random words of the book."""
    words = book().text.split()
    with path.open("w", encoding="utf-8") as file:
        for chunk in babble(words, megabytes):
            file.write(chunk)
