"""A text together with what is known of it; and how it travels through Redis: UTF-8, compressed."""

import io
import zlib
from dataclasses import dataclass, field, replace

from galvanic.errors import UserError
from galvanic.options import CorpusInfo, TextSource
from galvanic.read.text import Text, read
from galvanic.units import MEGABYTE, count
from shared.corpora.catalogue import CatalogueEntry
from shared.settings import Settings

LEAST_CHARS = 1_000  # of the shortest text that a model can learn from
LICENCES: dict[TextSource, str] = {
    "upload": "Uploaded by a member; rights unknown.",
    "corpora-dir": "Provided by the bot's operator; rights unknown.",
}


def size_limit(settings: Settings) -> int:
    """Return the largest size of a text file, in bytes."""
    return int(settings.corpus_max_mb * MEGABYTE)


@dataclass(frozen=True)
class Corpus:
    """A text and what is known of it. The words are not in its `repr`, so they get into no log."""

    info: CorpusInfo
    text: str = field(repr=False)


def from_entry(data: bytes, entry: CatalogueEntry) -> Corpus:
    """Read a book of the catalogue. Raises UserError: not a text, or too short."""
    text = read(io.BytesIO(data), f"{entry.name}.txt")
    text = replace(text, title="", licence="", left_out=0)  # that these are Project Gutenberg's is known of all of them
    info = text.info(entry.name, entry.full_title, "catalogue", entry.licence, not entry.verse, entry.language)
    return checked(text, info)


def checked(text: Text, info: CorpusInfo) -> Corpus:
    """Join a text and its description. Raises UserError: too short."""
    assert isinstance(text.body, str)
    if text.chars < LEAST_CHARS:
        raise UserError(
            f"The text is too short: {count(text.chars, 'character')}, and at least {LEAST_CHARS:,} are needed.",
            "Give a longer text; 100,000 characters and more give good results.",
        )
    return Corpus(info, text.body)


def pack(text: str) -> bytes:
    """Return a text as it travels through Redis."""
    return zlib.compress(text.encode("utf-8"), level=6)


def unpack(data: bytes) -> str:
    """Return a packed text. Raises zlib.error or UnicodeDecodeError: damaged."""
    return zlib.decompress(data).decode("utf-8")
