"""A text together with what is known of it."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Literal

from shared.corpora.catalogue import CatalogueEntry
from shared.corpora.packing import size_limit
from shared.corpora.reading import Text, read, sha256
from shared.errors import UserError
from shared.jobs import CorpusInfo
from shared.settings import Settings
from shared.units import MEGABYTE

LIMIT = 2_000 * MEGABYTE
"""Largest file on this machine, in bytes."""
STREAM_ABOVE = 4 * MEGABYTE
"""Files larger than this are not read into memory."""
MAX_NAME = 32
_MAX_TITLE = 100
GUTENBERG_LICENCE = "From Project Gutenberg, gutenberg.org."
Source = Literal["catalogue", "corpora-dir", "python-docs", "upload", "file"]


@dataclass(frozen=True)
class Corpus:
    """The words are not in its `repr`, so that they do not get into a log."""

    info: CorpusInfo
    text: str = field(repr=False)


def slugify(name: str) -> str:
    """A short name made of `a-z0-9-`, at most 32 characters; empty when nothing of `name` can be kept."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode("ascii").lower()
    return re.sub(r"[^a-z0-9]+", "-", plain.replace("'", "")).strip("-")[:MAX_NAME].strip("-")


def check_length(characters: int, settings: Settings) -> None:
    """Raises `UserError`: shorter than `settings.corpus_min_chars`."""
    if characters < settings.corpus_min_chars:
        raise UserError(
            f"The text is too short: {characters:,} characters, and at least {settings.corpus_min_chars:,} are needed.",
            "Give a longer text; 100,000 characters and more give good results.",
        )


def check_size(n_bytes: int, settings: Settings) -> None:
    """Raises `UserError`: over `settings.corpus_max_mb` (megabytes of a million bytes)."""
    if n_bytes > size_limit(settings):
        raise UserError(
            f"The file is too large: {n_bytes / MEGABYTE:.1f} MB, and the limit is {settings.corpus_max_mb:g} MB.",
            "Send a part of it, or ask the bot's operator to raise CORPUS_MAX_MB.",
        )


def from_entry(
    data: bytes, entry: CatalogueEntry, source: Source, settings: Settings, *, keep_licence: bool = False
) -> Corpus:
    """Raises `UserError`: not a text, or too short."""
    text = read(data, f"{entry.name}.txt", keep_licence=keep_licence)
    text = replace(text, books=None, left_out=0)  # that these are Project Gutenberg's is known of all of them
    info = _info(text, entry.name, entry.full_title, source, entry.licence, hard_wrapped=not entry.verse)
    return _checked(text, info, settings)


def from_text(text: str, entry: CatalogueEntry, title: str, settings: Settings) -> Corpus:
    read = Text(text, len(text), sha256(text))
    return _checked(read, _info(read, entry.name, title, "python-docs", entry.licence), settings)


def from_bytes(
    data: bytes, filename: str, source: Source, settings: Settings, *, licence: str, keep_licence: bool = False
) -> Corpus:
    """Raises `UserError`: too large, empty, not a text, or too short."""
    check_size(len(data), settings)
    # Only the last part of a path counts, whichever system it comes from. In messages it stands between backticks.
    base = PurePosixPath(filename.replace("\\", "/")).name or "text"
    stem = PurePosixPath(base).stem
    text = read(data, " ".join(base.split()).replace("`", "'"), keep_licence=keep_licence)
    return _checked(text, _info(text, stem, stem, source, licence), settings)


def from_upload(filename: str, data: bytes, settings: Settings, *, keep_licence: bool = False) -> Corpus:
    """Use `check_size` before it is downloaded. Raises as `from_bytes`."""
    licence = "Uploaded by a member; rights unknown."
    return from_bytes(data, filename, "upload", settings, licence=licence, keep_licence=keep_licence)


def from_file(path: Path, workdir: Path | None = None, *, keep_licence: bool = False) -> tuple[str | Path, CorpusInfo]:
    """The text of a file on this machine, with Unix line ends, and what is known of it.

    With a `workdir`, which is made if need be, a large file stays on the disk: the path of a text in UTF-8 is returned
    instead, its own, or in `workdir` if it had to be rewritten. `keep_licence`: keep Project Gutenberg's headers and
    licences. Raises `UserError`: it cannot be read, or is too large, empty, damaged or not a text.
    """
    try:
        size = path.stat().st_size
        if size > LIMIT:
            raise UserError(
                f"{path.name} is too large: {size / MEGABYTE:,.0f} MB, and the limit is {LIMIT / MEGABYTE:,.0f} MB.",
                "Give a part of it.",
            )
        if workdir is not None and size > STREAM_ABOVE:
            text = read(path, path.name, workdir, keep_licence=keep_licence)
        else:
            text = read(path.read_bytes(), path.name, keep_licence=keep_licence)
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}.", "Give the path of a text file.") from error
    return text.body, _info(text, path.stem, path.name, "file", "")


def _info(
    text: Text, name: str, title: str, source: Source, licence: str, hard_wrapped: bool | None = None
) -> CorpusInfo:
    """A single book of Project Gutenberg's gives the title."""
    if text.books is not None:
        title = text.books.titled(title)
        licence = GUTENBERG_LICENCE if text.books.count else licence
    return CorpusInfo(
        name=slugify(name) or "text",
        title=title if len(title) <= _MAX_TITLE else title[: _MAX_TITLE - 1] + "…",
        source=source,
        chars=text.chars,
        sha256=text.sha256,
        licence=licence,
        hard_wrapped=hard_wrapped,
        left_out=text.left_out,
    )


def _checked(text: Text, info: CorpusInfo, settings: Settings) -> Corpus:
    assert isinstance(text.body, str)  # what comes from memory stays there
    check_length(text.chars, settings)
    return Corpus(info, text.body)
