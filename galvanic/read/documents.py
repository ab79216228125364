"""Read documents that hold a text: books, pages, and subtitles."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class DocumentFormat:
    """A format of documents.

    Attributes:
        name: for people, such as "an EPUB book".
        recognises: whether a file has this format, by its first `HEAD` bytes.
        text: yields the text of a file's bytes in parts. Raises UserError: it is damaged or locked. `name`: the file's,
            for messages.
    """

    name: str
    recognises: Callable[[bytes], bool]
    text: Callable[[bytes, str], Iterator[str]]


DOCUMENTS: tuple[DocumentFormat, ...] = ()
