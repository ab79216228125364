"""Pages of messages: how lines of a channel or of a chat are kept until a training has its text."""

import json
import zlib
from collections.abc import Sequence
from typing import NamedTuple

LEAST_LINE_BYTES = 20  # a line takes 200 in memory, however short it is


class Line(NamedTuple):
    """One message, cleaned. `author_id`: Discord's; of another program's chat, the number of its author there."""

    message_id: int
    author_id: int
    text: str


def counted_bytes(text: str) -> int:
    """Return the bytes that a line with this text adds to its corpus: those in UTF-8 with the line end, or
    `LEAST_LINE_BYTES`, so that the limit on bytes bounds the number of lines as well."""
    return max(LEAST_LINE_BYTES, len(text.encode()) + 1)


def pack_page(lines: Sequence[Line]) -> bytes:
    """Return a page as it is kept in Redis: JSON, compressed."""
    return zlib.compress(json.dumps(lines, ensure_ascii=False).encode("utf-8", "replace"), level=6)


def unpack_page(page: bytes) -> list[Line]:
    """Return the lines of a page."""
    return [Line(*line) for line in json.loads(zlib.decompress(page))]
