"""Finding out whether lines were broken for a fixed width, and joining them.

Works on arrays of code points: a text may have millions of lines.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from galvanic.errors import UserError
from galvanic.source import clean, pieces
from galvanic.text.vocabulary import Points, to_points, to_text

__all__ = ["Wrapping", "clean", "looks_hard_wrapped", "unwrap", "unwrap_points", "wrapping"]

SAMPLE = 4_000_000  # characters at the beginning of a text on which the width is measured
# A line break belongs to the wrapping, not to the text, when the next line's first word would not have fitted.
# Prose wrapped by a machine passes this nearly always, verse and chat seldom; verse also begins its lines with
# capitals. Books are wrapped by many hands: a width may vary by a tenth from one chapter to another.
_TOLERANCE = 0.9
_WRAPPED_SHARE = 0.75
_CAPITALS_SHARE = 0.6
_LEAST_BREAKS = 5
_LEAST_WIDTH, _MOST_WIDTH = 55, 120
_NEWLINE, _SPACE = 10, 32
_BLANK = np.array([chr(point).isspace() for point in range(0x3002)])  # the last one: also of all beyond


@dataclass(frozen=True)
class _Lines:
    """The lines of a text that are not blank, arrays of shape [lines]."""

    row: npt.NDArray[np.int64]  # number of the line, with empty ones counted
    indented: npt.NDArray[np.int64]  # length with the blank space before it
    length: npt.NDArray[np.int64]  # without blank space around it
    word: npt.NDArray[np.int64]  # length of its first word
    first: Points  # code point of its first character
    newline: npt.NDArray[np.int64]  # where its line break is (at the end of the text where there is none)

    def joints(self) -> npt.NDArray[np.bool_]:
        """Whether each line but the first follows the one before it in the same paragraph."""
        joints: npt.NDArray[np.bool_] = self.row[1:] == self.row[:-1] + 1
        return joints

    def full(self, width: int) -> npt.NDArray[np.bool_]:
        """Whether the next line's first word would not have fitted, for each line but the last."""
        full: npt.NDArray[np.bool_] = self.length[:-1] + 1 + self.word[1:] > _TOLERANCE * width
        return full


@dataclass(frozen=True)
class Wrapping:
    width: int  # 98th percentile of the lengths of lines with text
    hard: bool  # most paragraphs are broken for that width, as in Project Gutenberg's books


def _lines(points: Points) -> _Lines:
    text = np.concatenate([[False], ~np.take(_BLANK, points, mode="clip"), [False]])
    edges = np.flatnonzero(text[1:] != text[:-1])
    starts, ends = edges[::2], edges[1::2]  # of words
    newlines = np.append(np.flatnonzero(points == _NEWLINE), len(points))
    begins = np.concatenate([[0], newlines[:-1] + 1])
    first = np.searchsorted(starts, begins)
    last = np.searchsorted(starts, newlines) - 1
    row = np.flatnonzero(last >= first)
    first, last = first[row], last[row]
    return _Lines(
        row=row,
        indented=ends[last] - begins[row],
        length=ends[last] - starts[first],
        word=ends[first] - starts[first],
        first=points[starts[first]],
        newline=newlines[row],
    )


def wrapping(parts: Iterable[str]) -> Wrapping:
    """From `pieces` of a text, of which only the first `SAMPLE` characters count."""
    sample: list[_Lines] = []
    characters = 0
    for part in parts:
        sample.append(_lines(to_points(part)))
        characters += len(part)
        if characters >= SAMPLE:
            break
    lengths = np.sort(np.concatenate([[], *(lines.indented for lines in sample)]))
    width = int(lengths[int(0.98 * (len(lengths) - 1))]) if len(lengths) else 0
    if not _LEAST_WIDTH <= width <= _MOST_WIDTH:
        return Wrapping(width, hard=False)
    breaks = full = capitals = 0
    for lines in sample:
        joints = lines.joints()
        breaks += int(joints.sum())
        full += int((joints & lines.full(width)).sum())
        capitals += int((joints & _upper(lines.first[1:])).sum())
    hard = breaks >= _LEAST_BREAKS and full >= _WRAPPED_SHARE * breaks and capitals <= _CAPITALS_SHARE * breaks
    return Wrapping(width, hard)


def _upper(points: Points) -> npt.NDArray[np.bool_]:
    different, where = np.unique(points, return_inverse=True)
    upper: npt.NDArray[np.bool_] = np.array([chr(point).isupper() for point in different], bool)[where]
    return upper


def unwrap_points(points: Points, width: int) -> Points:
    """Turn the line breaks inside paragraphs of prose into spaces, in a copy of one of `pieces`.

    `width`: of the whole text's `Wrapping`. Decided paragraph by paragraph, so that verse and lists within a book keep
    their lines.
    """
    if not _LEAST_WIDTH <= width <= _MOST_WIDTH:
        return points
    lines = _lines(points)
    joints = lines.joints()
    if not joints.any():
        return points
    paragraph = np.cumsum(~joints)
    breaks = np.bincount(paragraph[joints])
    full = np.bincount(paragraph[joints & lines.full(width)], minlength=len(breaks))
    prose = full >= breaks / 2
    joined = points.copy()
    joined[lines.newline[:-1][joints][prose[paragraph[joints]]]] = _SPACE
    return joined


def looks_hard_wrapped(text: str) -> bool:
    return wrapping(pieces(text)).hard


def unwrap(text: str) -> str:
    """`unwrap_points` of a whole text; the length stays the same."""
    width = wrapping(pieces(text)).width
    return "".join(to_text(unwrap_points(to_points(piece), width)) for piece in pieces(text))


def until_line(text: str, start: str) -> str:
    """The text before the last line that begins with `start`: a table of contents has the same line first. Raises
    UserError where no line begins so."""
    places = [match.start() for match in re.finditer(rf"^{re.escape(start)}", text, flags=re.MULTILINE)]
    if not places or not start:
        raise UserError(
            f'No line of the text begins with "{start}".', "Give the beginning of a line as it stands in the text."
        )
    return text[: places[-1]]
