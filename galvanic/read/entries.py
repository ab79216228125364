"""Read JSON files of any size: the entries of their arrays, one by one.

By the standard library, which refuses deep nesting. ijson is as fast, but needs 2 GB for 30,000 nested arrays.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any, BinaryIO

from galvanic.read.chat import DAMAGED
from galvanic.read.files import HEAD
from galvanic.read.lines import text_file

_CHUNK = 2**20  # characters that are read at once
_LARGEST = 2**21  # characters of an entry; one that is longer is damaged
_HEX_ESCAPE = re.compile(r"(?<!\\)((?:\\\\)*+)\\x")  # Telegram Desktop writes control characters so, which is no JSON
_BETWEEN = re.compile(r"[\s,]*+")


def entries(file: BinaryIO, left_out: Counter[str], key: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each object in each array that stands under `key`, and the text before its array.

    `key`: empty: the file is one array. Entries that are no objects count as damaged. The first mistake ends the file,
    and counts as damaged, as does a file without such an array.
    """
    begin = re.compile(rf'"{key}"\s*+:\s*+\[' if key else r"\A\s*+\[")
    window = _Window(file)
    before = window.next_array(begin)
    if before is None:
        left_out[DAMAGED] += 1
    while before is not None:
        try:
            for entry in window.rest_of_array():
                if isinstance(entry, dict):
                    yield before, entry
                else:
                    left_out[DAMAGED] += 1
        except ValueError:
            left_out[DAMAGED] += 1
            return
        before = window.next_array(begin) if key else None


class _Window:
    """A part of a JSON text. `_position`: where reading goes on."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = text_file(file)
        self._decoder = json.JSONDecoder(strict=False)
        self._text = ""
        self._position = 0
        self._read_on(0)

    def next_array(self, begin: re.Pattern[str]) -> str | None:
        """Go into the next array that begins so; return the text before it, or None: there is none."""
        while (start := begin.search(self._text, self._position)) is None:
            if not self._read_on(max(self._position, len(self._text) - HEAD)):
                return None
        before, self._position = self._text[self._position : start.end()], start.end()
        return before

    def rest_of_array(self) -> Iterator[Any]:
        """Yield the entries up to the array's end. Raises ValueError: it is damaged, cut off or nested too deeply."""
        while not self._text.startswith("]", self._next_position()):
            try:
                entry, self._position = self._decoder.raw_decode(self._text, self._position)
            except (ValueError, RecursionError) as error:
                if len(self._text) - self._position > _LARGEST or not self._read_on(self._position):
                    raise ValueError("damaged JSON") from error
            else:
                yield entry

    def _next_position(self) -> int:
        between = _BETWEEN.match(self._text, self._position)
        self._position = between.end() if between else self._position
        return self._position

    def _read_on(self, position: int) -> bool:
        """Drop the text before a position, and read as much as is kept, or more; return False at the file's end."""
        kept = self._text[position:]
        text = self._file.read(max(_CHUNK, len(kept)))
        self._text, self._position = kept + text, 0
        if r"\x" in self._text:
            self._text = _HEX_ESCAPE.sub(r"\1\\u00", self._text)
        return text != ""
