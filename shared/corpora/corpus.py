"""A text together with what is known of it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath

from galvanic.errors import UserError
from galvanic.options import CorpusInfo, TextSource
from galvanic.reading import Text, check_length, of_memory, read
from galvanic.units import MEGABYTE
from shared.corpora.catalogue import CatalogueEntry
from shared.corpora.packing import size_limit
from shared.settings import Settings


@dataclass(frozen=True)
class Corpus:
    """The words are not in its `repr`, so that they do not get into a log."""

    info: CorpusInfo
    text: str = field(repr=False)


def check_size(n_bytes: int, settings: Settings) -> None:
    """Raises `UserError`: over `settings.corpus_max_mb` (megabytes of a million bytes)."""
    if n_bytes > size_limit(settings):
        raise UserError(
            f"The file is too large: {n_bytes / MEGABYTE:.1f} MB, and the limit is {settings.corpus_max_mb:g} MB.",
            "Send a part of it, or ask the bot's operator to raise CORPUS_MAX_MB.",
        )


def from_entry(
    data: bytes, entry: CatalogueEntry, source: TextSource, settings: Settings, *, keep_licence: bool = False
) -> Corpus:
    """Raises `UserError`: not a text, or too short."""
    text = read(data, f"{entry.name}.txt", keep_licence=keep_licence)
    text = replace(text, books=None, left_out=0)  # that these are Project Gutenberg's is known of all of them
    info = text.info(entry.name, entry.full_title, source, entry.licence, hard_wrapped=not entry.verse)
    return _checked(text, info, settings)


def from_text(text: str, entry: CatalogueEntry, title: str, settings: Settings) -> Corpus:
    read = of_memory(text)
    return _checked(read, read.info(entry.name, title, "python-docs", entry.licence), settings)


def from_bytes(
    data: bytes, filename: str, source: TextSource, settings: Settings, *, licence: str, keep_licence: bool = False
) -> Corpus:
    """Raises `UserError`: too large, empty, not a text, or too short."""
    check_size(len(data), settings)
    # Only the last part of a path counts, whichever system it comes from. In messages it stands between backticks.
    base = PurePosixPath(filename.replace("\\", "/")).name or "text"
    stem = PurePosixPath(base).stem
    text = read(data, " ".join(base.split()).replace("`", "'"), keep_licence=keep_licence)
    return _checked(text, text.info(stem, stem, source, licence), settings)


def from_upload(filename: str, data: bytes, settings: Settings, *, keep_licence: bool = False) -> Corpus:
    """Use `check_size` before it is downloaded. Raises as `from_bytes`."""
    licence = "Uploaded by a member; rights unknown."
    return from_bytes(data, filename, "upload", settings, licence=licence, keep_licence=keep_licence)


def _checked(text: Text, info: CorpusInfo, settings: Settings) -> Corpus:
    assert isinstance(text.body, str)  # what comes from memory stays there
    check_length(text.chars, settings.corpus_min_chars)
    return Corpus(info, text.body)
