"""Documents that hold a text (books, pages, subtitles): what readers of their formats return, and its limits."""

import re
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
SPACE, LINE, PARAGRAPH = 1, 2, 3  # what stands between two words
_BETWEEN = ("", " ", "\n", "\n\n")
_SPACES = re.compile(r"[ \t\n\r\f\xa0]+")


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


class Paragraphs:
    """The text of a page, which grows by words, line breaks and paragraphs, with the white space of a browser."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._gap = 0
        self._empty = True

    def add(self, words: str) -> None:
        """Add words of a paragraph."""
        text = _SPACES.sub(" ", words)
        self.part(SPACE if text.startswith(" ") else 0)
        self._append(text.strip(" "))
        self.part(SPACE if text.endswith(" ") else 0)

    def add_lines(self, text: str) -> None:
        """Add lines with their white space."""
        self.part(self._lines(text, text.lstrip("\n")))
        self._append(text.strip("\n").replace("\xa0", " "))
        self.part(self._lines(text, text.rstrip("\n")))

    def part(self, gap: int) -> None:
        """Separate what comes next from what was added, at least by `gap`."""
        self._gap = max(self._gap, gap)

    def break_line(self) -> None:
        """Break the line; twice leaves a line empty."""
        self._gap = LINE if self._gap < LINE else PARAGRAPH

    def take(self) -> str:
        """Return what was added since the last call."""
        text = "".join(self._parts)
        self._parts.clear()
        return text

    def _append(self, text: str) -> None:
        if text := text.replace("\xad", ""):  # a place where a word may be broken
            self._parts.append(("" if self._empty else _BETWEEN[self._gap]) + text)
            self._empty, self._gap = False, 0

    @staticmethod
    def _lines(text: str, stripped: str) -> int:
        """Return the gap that is left when newlines at an end of a text are taken off."""
        newlines = len(text) - len(stripped)
        return (0, LINE, PARAGRAPH)[min(newlines, 2)]


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
