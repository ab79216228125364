"""Find what a reader stumbles over: words that don't exist, and texts that begin or end inside a word."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

LIST = Path("/usr/share/dict/words")
WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
_WHOLE = re.compile(r"\w+(?:['’‐-]\w+)*")
"""A word, with hyphens inside: "to-" of "to-morrow" is no word's end, but "to" before two hyphens is."""
_LONGEST = 100


def list_lacking() -> str:
    """Say that Debian's word list is missing, and where to put it; empty if it is there."""
    if LIST.is_file():
        return ""
    return f"Debian's word list is missing: install the package wamerican, or put one word a line into {LIST}."


def words(text: str) -> list[str]:
    """Return the words of a text, with straight apostrophes; a hyphen separates two words."""
    return [word.replace("’", "'") for word in WORD.findall(text)]


class KnownWords:
    """The words of Debian's list, and those that come twice in the text that was learned.

    A word also counts in lower case, and one in capitals also as a name. A word with `'s` counts without it.
    """

    def __init__(self, learned: str) -> None:
        often = {word for word, times in Counter(words(learned)).items() if times > 1}
        self._words = often | set(LIST.read_text("utf-8").split())

    def __contains__(self, word: str) -> bool:
        forms = {word, word.removesuffix("'s"), word.removesuffix("'S")}
        forms |= {form.lower() for form in forms} | {form.capitalize() for form in forms if form.isupper()}
        return not forms.isdisjoint(self._words)

    def lacks(self, words_judged: Sequence[str]) -> float:
        """Return the share of words that are not known."""
        return sum(word not in self for word in words_judged) / max(1, len(words_judged))


def distinct_fours(texts: Iterable[Sequence[str]]) -> float:
    """Return the share of distinct runs among all runs of four words in texts, which are given as words."""
    fours = [tuple(word.lower() for word in text[at : at + 4]) for text in texts for at in range(len(text) - 3)]
    return len(set(fours)) / max(1, len(fours))


def inside_word(before: str, after: str) -> bool:
    """Return whether a word, with apostrophes or hyphens, goes on from one text into the next."""
    around, at = before[-_LONGEST:] + after[:_LONGEST], min(len(before), _LONGEST)
    return any(word.start() < at < word.end() for word in _WHOLE.finditer(around))


def joined(before: str, after: str) -> bool:
    """Return whether a text ends and the next begins with a letter or digit."""
    return before[-1:].isalnum() and after[:1].isalnum()
