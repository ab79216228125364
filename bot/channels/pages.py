"""Pages of a transcript: lines of messages, and their index, as they lie in Redis."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from shared.transcripts import pack_page, unpack_page

SAID = ": "
"""Between a speaker's pseudonym and their words."""


def said_by(pseudonym: str, text: str) -> str:
    """A line with its speaker."""
    return f"{pseudonym}{SAID}{text}"


@dataclass(frozen=True)
class Line:
    """A message's line, with the message and its author; in a thread of the channel also that (0: in none)."""

    message_id: int
    author_id: int
    text: str
    thread_id: int = 0


def pack(lines: Sequence[Line]) -> tuple[bytes, bytes]:
    """A page and its index."""
    text = pack_page("\n".join(line.text for line in lines))
    return text, pack_page(json.dumps([_entry(line) for line in lines]) if lines else "")


def read_page(text: bytes, index: bytes) -> list[Line]:
    """The lines of a page that is not empty."""
    lines, entries = unpack_page(text).split("\n"), json.loads(unpack_page(index))
    return [
        Line(message_id, author_id, line, *thread_id)
        for line, (message_id, author_id, *thread_id) in zip(lines, entries, strict=True)
    ]


def sizes(lines: list[Line]) -> dict[str, int]:
    """What lines count for, with their ends."""
    texts = [line.text for line in lines]
    return {
        "lines": len(texts),
        "chars": sum(map(len, texts)) + len(texts),
        "bytes": sum(len(text.encode("utf-8")) for text in texts) + len(texts),
    }


def as_noted(line: Line, messages: Mapping[int, str], speakers: bool) -> Line | None:
    """A line after what was noted of its message; None: it is gone."""
    if line.message_id not in messages:
        return line
    text = messages[line.message_id]
    if text and speakers:
        text = said_by(line.text.partition(SAID)[0], text)
    return replace(line, text=text) if text else None


def _entry(line: Line) -> list[int]:
    """A line's place in the index."""
    return [line.message_id, line.author_id, *([line.thread_id] if line.thread_id else [])]
