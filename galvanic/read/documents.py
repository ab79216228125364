"""Documents that hold a text (books, pages, subtitles): what readers of their formats return, and its limits."""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from lxml import etree

from galvanic.errors import UserError
from galvanic.read.files import UNPACKED_LIMIT
from galvanic.read.refusals import SAVE_AS_TEXT
from galvanic.units import MEGABYTE

MOST_SECONDS = 300.0  # to read a document. A book takes seconds, but a hostile file could take days


class Document(NamedTuple):
    """The text of a document in parts, whose paragraphs are separated by empty lines. `title`: empty if it has none."""

    parts: Iterator[str]
    title: str = ""


@dataclass(frozen=True)
class DocumentFormat:
    """A format of documents.

    Attributes:
        recognises: whether a file has this format, by its first `HEAD` bytes.
        read: reads a file's bytes; `name`: the file's, for messages. This and the parts raise UserError: it is damaged,
            locked or too large.
    """

    recognises: Callable[[bytes], bool]
    read: Callable[[bytes, str], Document]


def bounded(parts: Iterable[str], name: str) -> Iterator[str]:
    """Yield the parts of a text. Raises UserError: it is too long, or takes too long to read."""
    begin, characters = time.monotonic(), 0
    for part in parts:
        characters += len(part)
        if characters > UNPACKED_LIMIT:
            raise UserError(
                f"`{name}` has more than {UNPACKED_LIMIT / MEGABYTE:,.0f} MB of text.", "Give a part of it."
            )
        if time.monotonic() - begin > MOST_SECONDS:
            raise UserError(f"`{name}` takes too long to read.", SAVE_AS_TEXT)
        yield part


def xml_parser(target: object = None) -> etree.XMLParser:
    """Return a parser that expands no entities and reaches nothing outside. `target`: as lxml has it."""
    return etree.XMLParser(target=target, resolve_entities=False, no_network=True, load_dtd=False)
