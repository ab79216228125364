"""A server's blocklist: words and patterns that generated text must not show there.

An entry is a word or a phrase; `*` stands for any letters or digits within a word. Upper and lower case are the same,
and an entry matches whole words only: `ass` does not hit `class`, `*ass*` does. An underscore ends a word, so that
`_ass_` is one. Scripts without spaces between words, as Chinese and Thai, have no ends of words.

Whatever the entries and the text, the time grows with the text alone: both may be hostile.
"""

import functools
import unicodedata
from bisect import bisect_right
from collections.abc import Sequence
from importlib.resources import files
from operator import itemgetter

import regex

from galvanic.errors import UserError

MOST_ENTRIES = 200
MOST_CHARS = 64
MOST_STARS = 3  # more would let a pattern of an admin's cost minutes on a hostile text
MASK = "█"  # stands for each covered character
_ALPHANUMERIC = r"[^\W_]"  # a letter with its marks, or a digit
_UNSPACED = regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]")
_CHUNK = regex.compile(r"[^\s、。！？，；：…（）「」『』《》]+")  # to the end of a word, or of a clause without spaces


class Blocklist:
    """Find and cover `entries`, as `parse` returns them. An entry that it would refuse hits nothing."""

    def __init__(self, entries: Sequence[str]) -> None:
        safe = [entry for entry in entries if _refusal(entry) is None]
        # A text may have its accents as signs of their own.
        safe = list(dict.fromkeys(unicodedata.normalize(form, entry) for entry in safe for form in ("NFC", "NFD")))
        alternatives = "|".join(map(_expression, sorted(safe, key=len, reverse=True)))
        # No entry begins with a space, so that a long run of spaces costs nothing.
        self._pattern = regex.compile(rf"(?=\S)(?:{alternatives})", regex.IGNORECASE) if safe else None

    def hits(self, text: str) -> bool:
        """Return whether an entry stands in a text."""
        return self._pattern is not None and self._pattern.search(text) is not None

    def mask(self, text: str) -> str:
        """Cover each hit, and what touches it up to white space or a sign of Chinese, at the same length.

        With only the hit covered, the word beside it could become another hit.
        """
        if self._pattern is None:
            return text
        spans = [hit.span() for hit in self._pattern.finditer(text)]

        def cover(chunk: regex.Match[str]) -> str:
            at = bisect_right(spans, chunk.start(), key=itemgetter(1))
            return MASK * len(chunk[0]) if at < len(spans) and spans[at][0] < chunk.end() else chunk[0]

        return _CHUNK.sub(cover, text) if spans else text


def parse(typed: str) -> tuple[str, ...]:
    """Return the entries that were typed, separated by commas or line ends, each once.

    Raises UserError: too many, or one is too long, has too many `*`, or a word without a letter or digit.
    """
    plain = unicodedata.normalize("NFC", typed).replace("İ", "i").lower()
    pieces = (" ".join(piece.split()) for piece in regex.split(r"[,\n、，،]", plain))
    entries = tuple(dict.fromkeys(filter(None, pieces)))
    if (refusal := next(filter(None, map(_refusal, entries)), None)) is not None:
        raise refusal
    if len(entries) > MOST_ENTRIES:
        raise UserError(f"That's {len(entries):,} entries.", f"A blocklist takes up to {MOST_ENTRIES}.")
    return entries


@functools.cache
def default_entries() -> tuple[str, ...]:
    """Return the entries of `slurs.txt`, which count until an admin changes the blocklist."""
    lines = files(__package__).joinpath("slurs.txt").read_text("utf-8").splitlines()
    return parse("\n".join(line for line in lines if not line.startswith("#")))


def _refusal(entry: str) -> UserError | None:
    """Return what is wrong with an entry, or None."""
    shown = entry[:40].replace("`", "")
    if len(entry) > MOST_CHARS:
        return UserError(f"The entry `{shown}…` is too long.", f"Keep each under {MOST_CHARS} characters.")
    if entry.count("*") > MOST_STARS:
        return UserError(f"The entry `{shown}` has too many `*`.", f"Use up to {MOST_STARS} in an entry.")
    if MASK in entry:
        return UserError(f"The entry `{shown}` has a {MASK}, which I cover words with.", "Write the word itself.")
    # A lone `*` in a phrase would be tried anew at each of a thousand spaces.
    if not entry or not all(regex.search(_ALPHANUMERIC, word) for word in entry.split()):
        return UserError(
            f"The entry `{shown}` has no letter" + (" in one of its words." if " " in entry else "."),
            "Write the word; `*` stands for any letters in it.",
        )
    return None


def _expression(entry: str) -> str:
    """Return the expression for an entry, which has the ends of a word where its script has such.

    One with a `*` before its end begins a word in any script: else it would be tried anew at each letter.
    """
    begin = "" if _UNSPACED.match(entry[0]) and "*" not in entry[:-1] else rf"(?<!{_ALPHANUMERIC})"
    end = "" if _UNSPACED.match(entry[-1]) or entry[-1] == "*" else rf"(?!{_ALPHANUMERIC})"
    return begin + r"\s++".join(map(_word_expression, entry.split())) + end


def _word_expression(word: str) -> str:
    """Return the expression for a word. It tries each part only at its first place, so time grows with the text.

    A lazy `*?` would do the same, but looks for the part up to the end of the text, not of the word.
    """
    parts: list[str] = [regex.escape(part) for part in regex.sub(r"\*+", "*", word).split("*")]
    first, *rest = parts
    if not rest:
        return first
    middle = "".join(rf"(?:(?!{part}){_ALPHANUMERIC})*+{part}" for part in rest[:-1])
    return first + middle + rf"{_ALPHANUMERIC}*{rest[-1]}"
