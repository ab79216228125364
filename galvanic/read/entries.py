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
from galvanic.read.refusals import ASSIGNED

_CHUNK = 2**18  # characters that are read at once
_LARGEST = 2**21  # characters of an entry; one that is longer is damaged
_HEX_ESCAPE = re.compile(r"(?<!\\)((?:\\\\)*+)\\x")  # Telegram Desktop writes control characters so, which is no JSON
ARRAY = re.compile(rf"\A\s*+{ASSIGNED}\[")  # at the beginning of a file
_ENTRY = re.compile(r"[^\s,]")


def entries(file: BinaryIO, left_out: Counter[str], key: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each object in each array that stands under `key`, and the text before its array.

    `key`: empty: the file is one array. Entries that are no objects count as damaged. The first mistake ends the file,
    and counts as damaged, as does a file without such an array.
    """
    array = re.compile(rf'"{key}"\s*+:\s*+\[') if key else ARRAY
    decoder = json.JSONDecoder(strict=False)
    source = text_file(file)
    text, position = "", 0
    before, is_complete = "", False  # `before`: empty: the position is not in an array
    while (size := len(text) - position) < _LARGEST and (part := source.read(max(_CHUNK, size))):
        text, position = text[position:] + part, 0
        if r"\x" in text:
            text = _HEX_ESCAPE.sub(r"\1\\u00", text)
        while True:
            if not before:
                if (match := array.search(text, position)) is None:
                    position = max(position, len(text) - HEAD)
                    break
                before, position, is_complete = text[position : match.end()], match.end(), False
            if (match := _ENTRY.search(text, position)) is None:
                break
            position = match.start()
            if match[0] == "]":
                before, is_complete = "", True
                continue
            try:
                entry, position = decoder.raw_decode(text, position)
            except (ValueError, RecursionError):  # damaged, or not read to its end
                break
            if isinstance(entry, dict):
                yield before, entry
            else:
                left_out[DAMAGED] += 1
    if not is_complete:
        left_out[DAMAGED] += 1
