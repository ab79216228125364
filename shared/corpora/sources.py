"""Find the text that a name stands for."""

import asyncio
import difflib
import re
import sys
import unicodedata
from collections.abc import Iterable
from pathlib import Path

import structlog

from galvanic.errors import UserError
from galvanic.files import replacing
from galvanic.read.text import of_memory, slugify
from shared.corpora.catalogue import OWN_LIST, PYTHON_DOCS, CatalogueEntry, catalogue
from shared.corpora.corpus import Corpus, checked, from_entry
from shared.corpora.fetch import FetchError, fetch_book
from shared.settings import Settings

log = structlog.get_logger(__name__)

_LEAST_PROSE, _LEAST_LETTERS = 80, 0.92  # characters of a paragraph, and their share of letters, spaces and commas
_MARKUP = re.compile(r'"|\*| \[\d+\]')
_TERM = re.compile(r"\A( *)[^*\s].*\n(?=\1 +\S)")  # above its indented explanation
_NO_PROSE = re.compile(r"[|<>{}\\=_]|\.\.\.|\+-|\bversion \d")  # code, grammar, tables, what changed when


class UnknownText(UserError):
    """No text has this name. `guess`: a sentence that names the nearest ones, or empty."""

    def __init__(self, problem: str, remedy: str, guess: str = "") -> None:
        super().__init__(problem, f"{guess}{remedy}")
        self.guess = guess


def names(settings: Settings) -> list[str]:
    """Return every name that `in_folder` or `resolve` knows, sorted. Reads the folder `CORPORA_DIR`."""
    return sorted({entry.name for entry in catalogue(settings.corpora_dir)} | set(_folder(settings)))


def in_folder(name: str, settings: Settings) -> Path | None:
    """Return the file of `CORPORA_DIR` that a name stands for; it goes before a text of the catalogue."""
    return _folder(settings).get(_key(name))


async def resolve(name: str, settings: Settings) -> Corpus:
    """Return a text of the catalogue, from the cache, Python itself or Project Gutenberg.

    Case and spaces of `name` and a final `.txt` do not matter. Raises UnknownText: no such name (with the nearest
    ones); UserError: the book cannot be fetched.
    """
    if "://" in name:
        remedy = "Download the file and attach it, or name a text that `/catalogue` lists."
        raise UnknownText("I don't fetch links.", remedy)
    key = _key(name)
    entry = next((entry for entry in catalogue(settings.corpora_dir) if entry.name == key), None)
    if entry is None:
        raise await asyncio.to_thread(_unknown, name, key, settings)
    if entry.name == PYTHON_DOCS:
        return await asyncio.to_thread(_python_docs, entry)
    cached = settings.data_dir / "corpora" / f"{entry.name}.txt"
    try:
        data = await asyncio.to_thread(cached.read_bytes)
    except OSError:  # it was not fetched yet
        data = await _fetched(entry, cached, settings)
    return await asyncio.to_thread(from_entry, data, entry)


async def _fetched(entry: CatalogueEntry, cached: Path, settings: Settings) -> bytes:
    """Return a book from a mirror, and keep it for the next time. Raises UserError: no mirror has it."""
    try:
        data = await fetch_book(entry, settings)
    except FetchError as error:
        log.warning("book not fetched", book=entry.name, reason=str(error))
        raise UserError(
            f"I couldn't fetch {entry.full_title}.",
            f"Try again later, or give me the text as a file. `{PYTHON_DOCS}` needs no internet.",
        ) from error
    try:
        await asyncio.to_thread(_write, cached, data)
    except OSError as error:  # the text is here; only the next time will be slow again
        log.warning("book not cached", book=entry.name, reason=error.strerror)
    return data


def _key(name: str) -> str:
    """Return the form of a name in which all its spellings are alike."""
    stem = name.strip()
    if stem.lower().endswith(".txt"):
        stem = stem[:-4]
    return slugify(stem) or unicodedata.normalize("NFC", stem).casefold()


def _folder(settings: Settings) -> dict[str, Path]:
    """Return the files of `CORPORA_DIR` by name. Names are only looked up here, so none leads out of the folder."""
    if settings.corpora_dir is None:
        return {}
    try:
        paths = [path for path in settings.corpora_dir.iterdir() if path.is_file()]
    except OSError as error:
        log.warning("CORPORA_DIR cannot be read", reason=error.strerror)
        return {}
    texts = [path for path in paths if not path.name.startswith((".", OWN_LIST))]
    return {_key(path.stem): path for path in sorted(texts, reverse=True)}  # of two with one name the first counts


def _unknown(name: str, key: str, settings: Settings) -> UnknownText:
    near = difflib.get_close_matches(key, names(settings), n=3, cutoff=0.6)
    shown = name.strip() if len(name.strip()) <= 50 else name.strip()[:49] + "…"
    guess = f"Did you mean {' or '.join(f'`{each}`' for each in near)}? " if near else ""
    return UnknownText(
        f"There is no text called `{shown.replace('`', '')}`.",
        "`/catalogue` lists every name; or attach a file.",
        guess,
    )


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as partial:
        partial.write_bytes(data)


def _python_docs(entry: CatalogueEntry) -> Corpus:
    # Half a megabyte that most processes never need.
    from pydoc_data.topics import topics

    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    text = of_memory("\n\n".join(_prose(topics[topic] for topic in sorted(topics))))
    info = text.info(
        entry.name, f"{entry.title} (Python {version})", "python-docs", entry.licence, language=entry.language
    )
    return checked(text, info)


def _prose(topics: Iterable[str]) -> Iterable[str]:
    """Return the paragraphs of whole sentences, each once: a model would write tables, grammar and code as debris."""
    paragraphs: dict[str, None] = {}
    for paragraph in "\n\n".join(topics).split("\n\n"):
        words = " ".join(_TERM.sub("", paragraph).split()).removeprefix("* ")
        text = _MARKUP.sub("", words)
        letters = sum(sign.isalpha() or sign in " ,.;'" for sign in words)
        sentences = text[:1].isupper() and text.endswith(".") and len(text) >= _LEAST_PROSE
        if sentences and letters >= _LEAST_LETTERS * len(words) and not _NO_PROSE.search(words):
            paragraphs[text] = None
    return paragraphs
