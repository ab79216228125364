"""Read a text in parts, so that it may be larger than the memory.

The pieces of a text are the same from memory and from a file, and however much is read at once.
"""

import codecs
import io
import itertools
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from galvanic.errors import UserError

Source = str | os.PathLike[str]  # a text, or the path of one in UTF-8
CHUNK = 2**18  # bytes (of a file) or characters (of a text) read at once
PIECE = 2**18  # longest piece, in characters


def clean(text: str) -> str:
    r"""Drop a byte order mark and NULs; `\r\n` and a lone `\r` become `\n`."""
    return "".join(cleaned([text]))


def cleaned(parts: Iterable[str]) -> Iterator[str]:
    """Clean a text, as `clean`, and yield it in parts, none of them empty."""
    newlines = io.IncrementalNewlineDecoder(None, translate=True)
    mark = "\ufeff"
    for part in itertools.chain(parts, [""]):
        # At the end, a `\r` that waited for its `\n`.
        text = newlines.decode(part.removeprefix(mark), final=not part).replace("\0", "")
        mark = ""
        if text:
            yield text


def decoded(file: BinaryIO, encoding: str, size: int = CHUNK, *, errors: str = "strict") -> Iterator[str]:
    """Decode a file, and yield its text in parts, none of them empty. A last character that is cut off is left out.

    `size`: bytes decoded at once. For some encodings codecs take long, and let no other thread run meanwhile. Raises
    UnicodeDecodeError, OSError.
    """
    decoder = codecs.getincrementaldecoder(encoding)(errors)
    while data := file.read(size):
        if text := decoder.decode(data):
            yield text


def chunks(source: Source, size: int = CHUNK) -> Iterator[str]:
    """Yield a text unchanged, in parts of any length, none of them empty.

    Raises UserError if a file cannot be read, or is not UTF-8.
    """
    if isinstance(source, str):
        yield from (source[start : start + size] for start in range(0, len(source), size))
        return
    path = Path(source)
    try:
        with path.open("rb") as file:
            yield from decoded(file, "utf-8", size, errors="surrogatepass")  # a text from memory may have lone ones
    except OSError as error:
        raise UserError(f"{path.name} cannot be read: {error.strerror}.", "Give the path of a text file.") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path.name} isn't UTF-8 text.", "Save it as UTF-8 and give that.") from error


def pieces(source: Source, size: int = PIECE, chunk: int = CHUNK) -> Iterator[str]:
    """Yield the cleaned text in pieces of at most `size` characters, none of them empty.

    A piece ends after an empty line if it has one, so that paragraphs stay whole; else after a line, else before a
    space, else anywhere. Raises UserError if a file cannot be read, or is not UTF-8.
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
