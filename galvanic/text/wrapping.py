"""Finding out whether lines were broken for a fixed width, and joining them."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

SAMPLE = 4_000_000  # characters at the beginning of a text on which the width is measured
# A line break belongs to the wrapping, not to the text, when the next line's first word would not have fitted.
# Prose wrapped by a machine passes this nearly always, verse and chat seldom; verse also begins its lines with
# capitals. Books are wrapped by many hands: a width may vary by a tenth from one chapter to another.
_TOLERANCE = 0.9
_WRAPPED_SHARE = 0.75
_CAPITALS_SHARE = 0.6
_LEAST_BREAKS = 5
_LEAST_WIDTH, _MOST_WIDTH = 55, 120


@dataclass(frozen=True)
class Wrapping:
    width: int  # 98th percentile of the lengths of lines with text
    hard: bool  # most paragraphs are broken for that width, as in Project Gutenberg's books


def _full(line: str, following: str, width: int) -> bool:
    """Whether the next line's first word would not have fitted."""
    return len(line.strip()) + 1 + len(following.split(None, 1)[0]) > _TOLERANCE * width


def _runs(text: str) -> Iterator[tuple[bool, list[str]]]:
    """Lines that are not blank and follow each other (a paragraph), and those that are."""
    for filled, lines in itertools.groupby(text.split("\n"), lambda line: bool(line) and not line.isspace()):
        yield filled, list(lines)


def wrapping(parts: Iterable[str]) -> Wrapping:
    """From `pieces` of a text, of which only the first `SAMPLE` characters count."""
    paragraphs: list[list[str]] = []
    characters = 0
    for part in parts:
        paragraphs += [lines for filled, lines in _runs(part) if filled]
        characters += len(part)
        if characters >= SAMPLE:
            break
    lengths = sorted(len(line.rstrip()) for lines in paragraphs for line in lines)
    width = lengths[int(0.98 * (len(lengths) - 1))] if lengths else 0
    if not _LEAST_WIDTH <= width <= _MOST_WIDTH:
        return Wrapping(width, hard=False)
    joints = [pair for lines in paragraphs for pair in itertools.pairwise(lines)]
    breaks, full = len(joints), sum(_full(*joint, width) for joint in joints)
    capitals = sum(following.lstrip()[0].isupper() for _, following in joints)
    hard = breaks >= _LEAST_BREAKS and full >= _WRAPPED_SHARE * breaks and capitals <= _CAPITALS_SHARE * breaks
    return Wrapping(width, hard)


def unwrap(text: str, width: int) -> str:
    """Turn the line breaks inside paragraphs of prose into spaces, in one of `pieces`; the length stays the same.

    `width`: of the whole text's `Wrapping`. Decided paragraph by paragraph, so that verse and lists within a book keep
    their lines.
    """
    if not _LEAST_WIDTH <= width <= _MOST_WIDTH:
        return text
    joined: list[str] = []
    for filled, lines in _runs(text):
        if filled and len(lines) > 1:
            full = sum(_full(*joint, width) for joint in itertools.pairwise(lines))
            lines = [(" " if 2 * full >= len(lines) - 1 else "\n").join(lines)]
        joined += lines
    return "\n".join(joined)
