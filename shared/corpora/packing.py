"""Texts on their way through Redis: UTF-8, compressed."""

from __future__ import annotations

import codecs
import zlib
from collections.abc import Iterator
from pathlib import Path

from galvanic.errors import UserError
from galvanic.units import MEGABYTE
from shared.settings import Settings

# cp1252 has bytes that take three in UTF-8, and so has UTF-16 with two.
_UTF8_GROWTH = 3
_PART = 2**20
"""Bytes unpacked at once."""


def size_limit(settings: Settings) -> int:
    """In bytes."""
    return int(settings.corpus_max_mb * MEGABYTE)


def unpacked_limit(settings: Settings) -> int:
    """In bytes of UTF-8: a file within `size_limit` never exceeds it, whatever its encoding."""
    return size_limit(settings) * _UTF8_GROWTH


def pack(text: str) -> bytes:
    return zlib.compress(text.encode("utf-8"), level=6)


def unpack(data: bytes, max_bytes: int) -> str:
    """Stops at `max_bytes` of UTF-8 (`unpacked_limit`), so that a few kilobytes cannot fill the memory.

    Raises `UserError`: damaged, incomplete or too long.
    """
    return "".join(_unpacked(data, max_bytes))


def unpack_to_file(data: bytes, path: Path, max_bytes: int) -> None:
    """A part at a time; raises as `unpack`, or `OSError`: then no file is left."""
    try:
        with path.open("w", encoding="utf-8", newline="") as file:
            for text in _unpacked(data, max_bytes):
                file.write(text)
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _unpacked(data: bytes, max_bytes: int) -> Iterator[str]:
    decompressor = zlib.decompressobj()
    decoder = codecs.getincrementaldecoder("utf-8")()
    length = 0
    try:
        while not decompressor.eof:
            raw = decompressor.decompress(data, _PART)
            data = decompressor.unconsumed_tail
            length += len(raw)
            if length > max_bytes:
                raise UserError(
                    f"The text is longer than this worker accepts ({max_bytes / MEGABYTE:.1f} MB).",
                    "Give a shorter text, or ask the bot's operator to raise CORPUS_MAX_MB for the bot and the worker.",
                )
            if not raw and not decompressor.eof:
                raise zlib.error("incomplete")
            yield decoder.decode(raw)
        if decompressor.unused_data:
            raise zlib.error("followed by something else")
        decoder.decode(b"", final=True)
    except (zlib.error, UnicodeDecodeError) as error:
        raise UserError("The text was damaged on its way to the worker.", "Run the command again.") from error
