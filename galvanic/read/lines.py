"""Read files of lines: logs, tables and chats that are plain text."""

import io
import re
from collections import Counter
from collections.abc import Iterator
from typing import BinaryIO

from galvanic.read.chat import DAMAGED, SYSTEM
from galvanic.read.encodings import BAD_BYTES, encoding_of, head_text

_LONGEST = 1_000_000  # characters of a line that are read at once; the rest comes as lines of its own
_LONGEST_ENTRY = 65_536  # characters, as of WhatsApp's messages
_BEGINNING = 500_000  # bytes
_BEFORE = 3  # lines of which one is a log's first header
_MANY = 20  # headers at the beginning that no other text has
_LEVEL = re.compile(r".{0,80}\b(?:TRACE|DEBUG|INFO|NOTICE|WARN|WARNING|ERROR|CRITICAL|FATAL)\b")  # in programs' logs


def beginning(file: BinaryIO) -> str:
    """Return the text at a file's beginning, as `head_text`, and go back to the beginning."""
    return head_text(_peek(file))


def text_file(file: BinaryIO) -> io.TextIOWrapper:
    """Return a file of bytes as a file of text."""
    return io.TextIOWrapper(file, encoding_of(_peek(file)), BAD_BYTES)


def _peek(file: BinaryIO) -> bytes:
    head = file.read(_BEGINNING)
    file.seek(0)
    return head


def lines(file: BinaryIO) -> Iterator[str]:
    """Yield the lines of a file with their ends, without NULs."""
    text = text_file(file)
    while line := text.readline(_LONGEST):
        yield line.replace("\0", "")


def first_headers(head: str, header: re.Pattern[str]) -> list[re.Match[str]]:
    """Return the headers of entries at a chat's beginning; empty if it does not look like a chat."""
    text_lines = [line for line in head.splitlines() if line.strip()]
    headers = [match for line in text_lines if (match := header.match(line)) is not None]
    begins = any(header.match(line) for line in text_lines[:_BEFORE])
    if sum(_LEVEL.match(match.string) is not None for match in headers) > len(headers) / 2:
        return []
    return headers if begins and len(headers) >= min(_MANY, len(text_lines) / 10) else []  # entries may be long


def log_entries(file: BinaryIO, header: re.Pattern[str], left_out: Counter[str]) -> Iterator[tuple[re.Match[str], str]]:
    """Yield a log's entries: the match of each one's header, and its text, which may go on in lines without a header.

    Lines before the first header count as notices, those beyond the end of a very long entry as damaged.
    """
    begun: re.Match[str] | None = None
    parts = list[str]()
    length = 0
    for line in (line.rstrip("\n") for line in lines(file)):
        if (match := header.match(line)) is not None:
            if begun is not None:
                yield begun, "\n".join(parts)
            begun, parts, length = match, [line[match.end() :]], 0
        elif begun is None:
            left_out[SYSTEM] += bool(line.strip())
        elif length > _LONGEST_ENTRY:
            left_out[DAMAGED] += 1
        else:
            parts.append(line)
        length += len(line)
    if begun is not None:
        yield begun, "\n".join(parts)
