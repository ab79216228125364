"""A server's blocklist: words and patterns that generated text must not show there.

An entry is a word or a phrase; `*` stands for any letters or digits within a word. Upper and lower case are the same,
and an entry matches whole words only: `ass` does not hit `class`, `*ass*` does.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from shared.errors import UserError

MOST_ENTRIES = 200
MOST_CHARS = 64
MOST_STARS = 3
"""More would let a pattern of an admin's cost minutes on a hostile text."""
MASK = "█"
"""What covers each character of a hit but white space."""


class Blocklist:
    """Finds and covers what a server does not want to see.

    Args:
        entries: checked ones (`parse`).
    """

    def __init__(self, entries: Sequence[str]) -> None:
        alternatives = "|".join(_expression(entry) for entry in sorted(entries, key=len, reverse=True))
        self._pattern = re.compile(rf"(?<!\w)(?:{alternatives})(?!\w)", re.IGNORECASE) if entries else None

    def hits(self, text: str) -> bool:
        """Whether anything of it stands in the text."""
        return self._pattern is not None and self._pattern.search(text) is not None

    def mask(self, text: str) -> str:
        """The text with each hit covered by blocks, at the same length. What is covered ends words: that may bare
        another hit beside it, which is covered as well."""
        while self._pattern is not None and self._pattern.search(text):
            text = self._pattern.sub(lambda hit: re.sub(r"\S", MASK, hit[0]), text)
        return text


def parse(typed: str) -> tuple[str, ...]:
    """Entries as an admin types them, one a line or separated by commas; each once, in the order typed.

    Raises:
        UserError: there are too many, or one is too long, has too many `*`, or nothing but `*`.
    """
    entries: dict[str, None] = {}
    for piece in re.split(r"[,\n]", typed):
        entry = " ".join(unicodedata.normalize("NFC", piece).split()).lower()
        if not entry:
            continue
        shown = entry[:40].replace("`", "")
        if len(entry) > MOST_CHARS:
            raise UserError(f"The entry `{shown}…` is too long.", f"Keep each under {MOST_CHARS} characters.")
        if entry.count("*") > MOST_STARS:
            raise UserError(f"The entry `{shown}` has too many `*`.", f"Use up to {MOST_STARS} in an entry.")
        if not re.search(r"\w", entry):
            raise UserError(f"The entry `{shown}` has no letter.", "Write the word; `*` stands for any letters in it.")
        entries[entry] = None
    if len(entries) > MOST_ENTRIES:
        raise UserError(f"That are {len(entries)} entries.", f"A blocklist takes up to {MOST_ENTRIES}.")
    return tuple(entries)


def _expression(entry: str) -> str:
    return r"\s+".join(map(_word_expression, entry.split()))


def _word_expression(word: str) -> str:
    """Each part at the first place where it stands, and no other is tried: the cost grows with the text alone."""
    first, *rest = (re.escape(part) for part in re.sub(r"\*+", "*", word).split("*"))
    if not rest:
        return first
    return first + "".join(rf"(?>\w*?{part})" for part in rest[:-1]) + rf"\w*{rest[-1]}"
