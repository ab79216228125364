"""Documents that hold a text (books, pages, subtitles): what readers of their formats return."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from lxml import etree


class Document(NamedTuple):
    """The text of a document, whose paragraphs are separated by empty lines. `title`: empty if it has none."""

    text: str
    title: str = ""


@dataclass(frozen=True)
class DocumentFormat:
    """A format of documents.

    Attributes:
        recognises: whether a file has this format, by its first `HEAD` bytes.
        read: reads a file's bytes; its second argument is the file's name, for messages. Raises UserError: it is
            damaged, locked or too large.
    """

    recognises: Callable[[bytes], bool]
    read: Callable[[bytes, str], Document]


def xml_parser(target: object = None) -> etree.XMLParser:
    """Return a parser that expands no entities and reaches nothing outside. `target`: as lxml has it."""
    return etree.XMLParser(target=target, resolve_entities=False, no_network=True, load_dtd=False)
