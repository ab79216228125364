"""Telling prose that was broken for a fixed width from lines that end where their author meant it."""

from __future__ import annotations

import itertools

_MAX_WIDTH = 100  # nobody hard-wraps wider; a longer line is a paragraph
_MIN_LINES = 20  # fewer lines decide nothing
_FULL_SHARE = 0.9
_LOWER_SHARE = 0.4  # capitals begin a line of verse, and in wrapped prose one in six (German: one in three)
_SLACK = 6  # editors break a little early: at a dash, or for a margin kept by some lines only


def looks_hard_wrapped(text: str) -> bool:
    """Whether the line ends of `text` come from wrapping.

    In wrapped prose the first word of the next line would not have fitted at the end of this one, and many lines
    begin in the middle of a sentence. Both hold for few lines of verse, of a chat or of source code.
    """
    pairs = [
        (len(line), following.split(maxsplit=1)[0])
        for line, following in itertools.pairwise(text.splitlines())
        if line.strip() and following.strip()
    ]
    if len(pairs) < _MIN_LINES:
        return False
    lengths = sorted(length for length, _ in pairs)
    width = lengths[int(len(lengths) * 0.98)]
    if width > _MAX_WIDTH:
        return False
    full = sum(length + 1 + len(word) > width - _SLACK for length, word in pairs)
    lower = sum(word[0].islower() for _, word in pairs)
    return full >= _FULL_SHARE * len(pairs) and lower >= _LOWER_SHARE * len(pairs)
