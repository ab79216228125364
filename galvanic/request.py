"""What is asked of a model that writes, and where it begins if nobody says. Works without TensorFlow."""

from __future__ import annotations

import math
import re
from collections.abc import Callable

from galvanic.errors import UserError
from galvanic.options import GenerateOptions, StopAt

_SENTENCE_END = re.compile(
    r"""[.!?…]+["'”’»)\]*_]*(?=\s|\Z)"""  # of scripts with spaces
    r"""|[。！？…]+["'”’」』》）]*"""  # of Chinese and Japanese
)


class WriteRequest(GenerateOptions):
    seed: str = ""  # ignored with `from_corpus` and `from_line`
    from_line: bool = False  # begin with the beginning of a random line or sentence of the corpus
    until: float = math.inf  # give up at this time (`time.monotonic`): nobody waits any more


def too_slow() -> UserError:
    return UserError(
        "That wasn't done in time: this model writes too slowly, or too many people wait.",
        "Ask for a shorter text, or take a smaller model.",
    )


def cut(text: str, stop: StopAt | None) -> str:
    """The text up to the last end of a sentence (with its closing quotes) or line; all of it if there is none."""
    if stop == "sentence":
        ends = [match.end() for match in _SENTENCE_END.finditer(text)]
    elif stop == "line":
        ends = [match.start() for match in re.finditer("\n", text)]
    else:
        return text
    shorter = text[: ends[-1]] if ends else ""
    return shorter if shorter.strip() else text


LONGEST = 60
"""Characters of a line: enough to set the tone, and short enough that what follows is the model's own."""
_LEAST = 10
_SHORT = 30  # characters taken of a script that puts no spaces between words
_TRIES = 8
_LINE_START = re.compile(r"\n\s*")
_SENTENCE_START = re.compile(
    r"""[.!?…]["'”’»)\]*_]*\s+"""  # of scripts with spaces
    r"""|[。！？…]["'”’」』》）]*\s*"""  # of Chinese and Japanese
)
_WORD_START = re.compile(r"\s+")


def draw_line(draw: Callable[[], str]) -> str:
    """The beginning of a line or sentence, whole words of it; of a text that has neither, some words. `draw` gives a
    random window of the corpus."""
    window = ""
    for _ in range(_TRIES):
        window = draw()
        if line := _first(_LINE_START, window) or _first(_SENTENCE_START, window):
            return line
    words = _first(_WORD_START, window)
    return words or _ended(window) or window


def _first(start: re.Pattern[str], window: str) -> str:
    """The first piece after such a place that is long enough to be read as one; empty if there is none."""
    pieces = (_ended(window[match.end() :]) for match in start.finditer(window))
    return next((piece for piece in pieces if len(piece) >= _LEAST), "")


def _ended(text: str) -> str:
    """The text up to the end of its line, or of a word where that comes too late."""
    line, ending, _ = text.partition("\n")
    if ending and len(line) <= LONGEST:
        return line.rstrip()
    # The window may end in the middle of a word.
    head, space, _ = line[: LONGEST + 1].rpartition(" ")
    return head.rstrip() if space else line[:_SHORT]
