"""What a reader stumbles over: words that are none, and texts that begin or end inside one."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

LIST = Path("/usr/share/dict/words")
WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
_WHOLE = re.compile(r"\w+(?:['’‐-]\w+)*")
"""Here a hyphen holds a word together, too: "to-" of "to-morrow" is no end, "to" before a dash of two is one."""
_LONGEST = 100


def list_lacking() -> str:
    """A sentence on Debian's word list and where to put it, when it is not there; else nothing."""
    if LIST.is_file():
        return ""
    return f"Debian's word list is missing: install the package wamerican, or put one word a line into {LIST}."


def words(text: str) -> list[str]:
    """The words of a text, with straight apostrophes; a hyphen parts two."""
    return [word.replace("’", "'") for word in WORD.findall(text)]


class Known:
    """The words of Debian's list, and those that stand twice in the text that was learned.

    Each as it is written, or small where it is written with a large letter; all letters large, as a name, too. One with
    `'s` is known where it is without.
    """

    def __init__(self, learned: str) -> None:
        often = {word for word, times in Counter(words(learned)).items() if times > 1}
        self._words = often | set(LIST.read_text("utf-8").split())

    def __contains__(self, word: str) -> bool:
        forms = {word, word.removesuffix("'s"), word.removesuffix("'S")}
        forms |= {form.lower() for form in forms} | {form.capitalize() for form in forms if form.isupper()}
        return not forms.isdisjoint(self._words)

    def lacks(self, found: Sequence[str]) -> float:
        """The share of words that are not known."""
        return sum(word not in self for word in found) / max(1, len(found))


def distinct_fours(texts: Iterable[Sequence[str]]) -> float:
    """Of the runs of four words in texts, which are given as words, the share that is left without repetitions."""
    fours = [tuple(word.lower() for word in text[at : at + 4]) for text in texts for at in range(len(text) - 3)]
    return len(set(fours)) / max(1, len(fours))


def inside_word(before: str, after: str) -> bool:
    """Whether one word goes from one text over into the next, with an apostrophe or a hyphen in it, too."""
    around, at = before[-_LONGEST:] + after[:_LONGEST], min(len(before), _LONGEST)
    return any(word.start() < at < word.end() for word in _WHOLE.finditer(around))


def joined(before: str, after: str) -> bool:
    """Whether letters follow on letters without anything between them."""
    return before[-1:].isalnum() and after[:1].isalnum()
