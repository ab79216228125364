"""Cleaning a text without changing what it says."""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass

_PARAGRAPH = re.compile(r"(\n[ \t]*\n\s*)")
# A line break belongs to the wrapping, not to the text, when the next line's first word would not have fitted.
# Prose wrapped by a machine passes this nearly always, verse and chat seldom; verse also begins its lines with
# capitals. Books are wrapped by many hands: a width may vary by a tenth from one chapter to another.
_TOLERANCE = 0.9
_WRAPPED_SHARE = 0.75
_CAPITALS_SHARE = 0.6
_LEAST_BREAKS = 5
_LEAST_WIDTH, _MOST_WIDTH = 55, 120


@dataclass(frozen=True)
class _Breaks:
    """Line breaks within a paragraph: all, those where the next word would not have fitted, those before a capital."""

    all: int
    full: int
    capital: int


def clean(text: str) -> str:
    r"""Drop a byte order mark and NULs; `\r\n` and a lone `\r` become `\n`."""
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").replace("\0", "")


def wrap_width(text: str) -> int:
    """The width that the lines were broken for: the 98th percentile of the lengths of lines with text."""
    lengths = sorted(len(line.rstrip()) for line in text.split("\n") if line.strip())
    return lengths[int(0.98 * (len(lengths) - 1))] if lengths else 0


def _breaks(block: str, width: int) -> _Breaks:
    lines = [line.strip() for line in block.split("\n") if line.strip()]
    least = _TOLERANCE * width
    full = capital = 0
    for line, following in itertools.pairwise(lines):
        full += len(line) + 1 + len(following.split(maxsplit=1)[0]) > least
        capital += following[0].isupper()
    return _Breaks(max(0, len(lines) - 1), full, capital)


def looks_hard_wrapped(text: str) -> bool:
    """Whether the lines of most paragraphs are broken for a fixed width, as in Project Gutenberg's books."""
    width = wrap_width(text)
    if not _LEAST_WIDTH <= width <= _MOST_WIDTH:
        return False
    counts = [_breaks(block, width) for block in _PARAGRAPH.split(text)[::2]]
    breaks = sum(count.all for count in counts)
    full = sum(count.full for count in counts)
    capital = sum(count.capital for count in counts)
    return breaks >= _LEAST_BREAKS and full >= _WRAPPED_SHARE * breaks and capital <= _CAPITALS_SHARE * breaks


def unwrap(text: str) -> str:
    """Turn the line breaks inside paragraphs of prose into spaces; the length stays the same.

    Decided paragraph by paragraph, so that verse and lists within a book keep their lines.
    """
    width = wrap_width(text)
    if not _LEAST_WIDTH <= width <= _MOST_WIDTH:
        return text
    parts = _PARAGRAPH.split(text)
    for index in range(0, len(parts), 2):
        block = parts[index].rstrip("\n")
        count = _breaks(block, width)
        if count.all and count.full >= count.all / 2:
            parts[index] = block.replace("\n", " ") + parts[index][len(block) :]
    return "".join(parts)
