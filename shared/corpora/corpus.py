"""A text together with what is known of it."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Literal

from shared.corpora.catalogue import CatalogueEntry
from shared.corpora.decoding import check_size, decode_text
from shared.corpora.formats import refuse_formats
from shared.corpora.gutenberg import find_books, strip_gutenberg
from shared.corpora.streaming import chunks
from shared.errors import UserError
from shared.jobs import CorpusInfo
from shared.settings import Settings

MAX_NAME = 32
_MAX_TITLE = 100
GUTENBERG_LICENCE = "From Project Gutenberg, gutenberg.org."
Source = Literal["catalogue", "corpora-dir", "python-docs", "upload", "file"]


@dataclass(frozen=True)
class Corpus:
    """A text to learn from. Its words are not in its `repr`, so that they do not get into a log."""

    info: CorpusInfo
    text: str = field(repr=False)


def slugify(name: str) -> str:
    """A short name made of `a-z0-9-`, at most 32 characters; empty when nothing of `name` can be kept."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode("ascii").lower()
    return re.sub(r"[^a-z0-9]+", "-", plain.replace("'", "")).strip("-")[:MAX_NAME].strip("-")


def make_corpus(
    text: str,
    *,
    name: str,
    title: str,
    source: Source,
    settings: Settings,
    licence: str = "",
    hard_wrapped: bool | None = None,
    left_out: int = 0,
) -> Corpus:
    """Put a text and its description together.

    Raises:
        UserError: shorter than `settings.corpus_min_chars`.
    """
    check_length(len(text), settings)
    info = CorpusInfo(
        name=slugify(name) or "text",
        title=title if len(title) <= _MAX_TITLE else title[: _MAX_TITLE - 1] + "…",
        source=source,
        chars=len(text),
        sha256=hashlib.sha256(text.encode("utf-8")).hexdigest(),
        licence=licence,
        hard_wrapped=hard_wrapped,
        left_out=left_out,
    )
    return Corpus(info, text)


def check_length(characters: int, settings: Settings) -> None:
    """Refuse a text with too little to learn from.

    Raises:
        UserError: shorter than `settings.corpus_min_chars`.
    """
    if characters < settings.corpus_min_chars:
        raise UserError(
            f"The text is too short: {characters:,} characters, and at least {settings.corpus_min_chars:,} are needed.",
            "Give a longer text; 100,000 characters and more give good results.",
        )


def from_entry(
    data: bytes, entry: CatalogueEntry, source: Source, settings: Settings, *, keep_licence: bool = False
) -> Corpus:
    """A catalogue text from the bytes of its file.

    Raises:
        UserError: not a text, or too short.
    """
    text = decode_text(data, f"{entry.name}.txt")
    refuse_formats(text, f"{entry.name}.txt")
    return make_corpus(
        text if keep_licence else strip_gutenberg(text),
        name=entry.name,
        title=entry.full_title,
        source=source,
        settings=settings,
        licence=entry.licence,
        hard_wrapped=not entry.verse,
    )


def from_bytes(
    data: bytes, filename: str, source: Source, settings: Settings, *, licence: str, keep_licence: bool = False
) -> Corpus:
    """A text of unknown nature: its file name names it.

    Project Gutenberg's headers and licences are taken off unless `keep_licence`; that of a single book gives the title.

    Raises:
        UserError: too large, empty, not a text, or too short.
    """
    check_size(len(data), settings)
    # Only the last part of a path counts, whichever system it comes from. In messages it stands between backticks.
    base = PurePosixPath(filename.replace("\\", "/")).name or "text"
    stem = PurePosixPath(base).stem
    shown = " ".join(base.split()).replace("`", "'")
    text = decode_text(data, shown)
    refuse_formats(text, shown)
    books = find_books(chunks(text))
    body = text if books is None or keep_licence else "".join(books.only(chunks(text)))
    return make_corpus(
        body,
        name=stem,
        title=stem if books is None else books.titled(stem),
        source=source,
        settings=settings,
        licence=GUTENBERG_LICENCE if books is not None and books.count else licence,
        left_out=len(text) - len(body),
    )


def from_upload(filename: str, data: bytes, settings: Settings, *, keep_licence: bool = False) -> Corpus:
    """The text of a file that a member attached.

    Call `check_size` on the size Discord states before downloading the file.

    Args:
        filename: as the member called it; the corpus takes its name from it.
        data: the whole file.
        keep_licence: keep Project Gutenberg's headers and licences.

    Raises:
        UserError: too large, empty, not a text, or too short.
    """
    licence = "Uploaded by a member; rights unknown."
    return from_bytes(data, filename, "upload", settings, licence=licence, keep_licence=keep_licence)
