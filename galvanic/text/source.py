"""Reading a text in pieces, so that one larger than the memory can be learned from.

A piece is the same whether the text lies in memory or in a file, and however it was read.
"""

from __future__ import annotations

from collections.abc import Iterator

from shared.corpora.streaming import CHUNK, Source, chunks, clean, cleaned

__all__ = ["CHUNK", "PIECE", "Source", "chunks", "clean", "cleaned", "pieces"]

PIECE = 2**18
"""Longest piece, in characters."""


def pieces(source: Source, size: int = PIECE, chunk: int = CHUNK) -> Iterator[str]:
    r"""The cleaned text in pieces of at most `size` characters, none of them empty.

    Cut behind an empty line where there is one, so that paragraphs stay whole; else behind a line, else before a
    space, else anywhere.

    Raises:
        UserError: the file cannot be read, or is not UTF-8.
    """
    buffer = ""
    for text in cleaned(chunks(source, chunk)):
        buffer += text
        while len(buffer) > size:
            cut = _cut(buffer, size)
            yield buffer[:cut]
            buffer = buffer[cut:]
    if buffer:
        yield buffer


def _cut(text: str, size: int) -> int:
    for mark, after in (("\n\n", 2), ("\n", 1), (" ", 0)):
        place = text.rfind(mark, 0, size)
        if place + after > 0 and place >= 0:
            return place + after
    return size
