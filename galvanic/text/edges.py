"""Where a text begins and ends as a text does: at lines, sentences and words, in scripts with spaces and without."""

from __future__ import annotations

import re
from collections.abc import Callable

import regex

from galvanic.options import StopAt

LONGEST = 60
"""Characters of a line: enough to set the tone, and short enough that what follows is the model's own."""
LOOK = 2
"""Characters behind a text that tell whether its last word ends there: an apostrophe and a letter."""
_LEAST = 10
_SHORT = 30  # characters taken of a script that puts no spaces between words
_TRIES = 8
_LONGEST_WORD = 200  # a longer one is cut
_LEFT_OPEN_MOST = 60  # characters that may be left open at an end
# German and Danish close with “ ‘ «, too; French puts a space before ».
_CLOSERS = r"""(?:["'”’“‘«)\]*_]|[ \u00a0\u202f]?»)*"""
_TITLES = "Mr|Mrs|Ms|Dr|St"  # "Mr." ends nothing
_SIGNS = rf"""(?!(?<=\b(?:{_TITLES}))\.)[.!?…]"""
_SENTENCE_END = regex.compile(
    rf"""{_SIGNS}+{_CLOSERS}(?=\s|\Z)"""  # of scripts with spaces
    r"""|[。！？…]+["'”’」』》）]*"""  # of Chinese and Japanese
)
_LINE_START = re.compile(r"\n\s*")
_SENTENCE_START = regex.compile(
    rf"""{_SIGNS}{_CLOSERS}\s+"""  # of scripts with spaces
    r"""|[。！？…]["'”’」』》）]*\s*"""  # of Chinese and Japanese
)
_WORD_START = re.compile(r"\s+(?=\S)")
_LAST_PIECE = re.compile(rf"\s\S{{0,{LONGEST}}}\Z")
# Unicode's (UAX #29): before and after each ideograph, too. But a hyphen makes one word of two.
_WORD_EDGE = regex.compile(r"(?<!\w[-‐])\b(?![-‐]\w)", regex.WORD)
_OPENING = r"""[\s\p{Ps}\p{Pi}"']*"""
_LEFT_OPEN = regex.compile(rf"(?:\A|[\s\p{{Ps}}]){_OPENING}(?:(?:{_TITLES})\.?{_OPENING})?\Z")
"""Blank space, and brackets, quotes and titles that begin something: right behind a word, “ and « may end it."""
_ANNOUNCED = regex.compile(
    r"\n\s*(?:"
    r"[^\n.!?…。！？:：]+[:：]"  # who speaks next
    r"|(?:[^\p{L}\n!?]*\p{Lu}){2,}[^\p{L}\n!?]*"  # the same in capitals, or a heading
    r"|(?:Chapter|Letter|Book|Part|Act|Scene|Canto|Volume|Stave)(?:\s+(?:[IVXLCDM]+|\d+)\b[^\n]*)?"
    r"|[IVXLCDM]\.?|[*_=~·•–—-][\s*_=~·•–—-]*)\Z"
    rf"|(?<={_SIGNS}{_CLOSERS})\s+\p{{Lu}}[\w.'’-]*(?:\s\p{{Lu}}[\w.'’-]*)*:\Z"
)
"""A speaker's name or a heading at the end of a text, on a line of its own or, with a colon, behind a sentence."""

_NAME = (
    r"(?:"
    r"\p{Lu}[\p{Lu}'’.-]+(?:[^\S\n][\p{Lu}'’.&-]+){0,5}(?::|[^\S\n]*\n)"  # in capitals, with a colon or on a line
    r"|\p{Lu}[\w'’.-]*(?:[^\S\n]\p{Lu}[\w'’.-]*){0,5}:(?=\s)"
    r")\s*"
)
"""A speaker's name before their words, as in a play: of few words, so that no long row is divided in every way."""
_NAMES, _NEXT_NAME = regex.compile(rf"\s*(?:{_NAME})+"), regex.compile(rf"\n[^\S\n]*{_NAME}")


def cut(text: str, most: int, stop: StopAt | None = None, *, at_words: bool = True) -> str:
    """At most so many characters of a text, as far as its last sentence (with its closing quotes) or line where `stop`
    asks for it; else, `at_words`, as far as the last sentence or line that ends behind their first quarter, or word.

    `LOOK` characters more than `most` tell whether a word ends there. Where nothing would be left, all of `most`.
    """
    seen = text[: most + LOOK]
    sentences = [match.end() for match in _SENTENCE_END.finditer(seen) if match.end() <= most]
    lines = [match.start() for match in re.finditer("\n", seen[:most])]
    early = most // 4
    asked = {"sentence": sentences[-1:], "line": lines[-1:]}.get(stop or "")
    if asked is None and at_words:
        asked = [end for end in (max([*sentences, *lines], default=0),) if end > early]
    ends = [*(asked or ()), *(_word_ends(seen, most) if at_words else ())]
    pieces = (_closed(text[:end]) for end in ends)
    return next((piece for piece in pieces if piece), text[:most])


def _closed(text: str) -> str:
    """Take off openings, names and headings at the end of a text."""
    end, before = text[-_LEFT_OPEN_MOST:], ""
    while end != before:
        before, end = end, _ANNOUNCED.sub("", _LEFT_OPEN.sub("", end))
    return text[:-_LEFT_OPEN_MOST] + end


def speech(text: str) -> str:
    """Return the words of a text's first speaker, without names; empty if there are only names."""
    if names := _NAMES.match(text):
        text = text[names.end() :]
    following = _NEXT_NAME.search(text)
    return text[: following.start()].rstrip() if following else text


def _word_ends(text: str, most: int) -> list[int]:
    """Places up to `most` between two words, or a word and something else; the last ones first."""
    start = max(0, most - _LONGEST_WORD)
    ends = [start + match.start() for match in _WORD_EDGE.finditer(text[start:]) if match.start()]
    return [end for end in reversed(ends) if end <= most]


def begun(text: str) -> str:
    """A text that may begin inside a word, from its first whole one on: from behind the first blank space. All of it
    where none comes soon, as in scripts without."""
    space = _WORD_START.search(text[:LONGEST])
    return text[space.end() :] if space else text


def whole_words(text: str) -> str:
    """A piece of a text that may begin and end inside a word, without these two; empty where nothing is left."""
    return _LAST_PIECE.sub("", begun(text)).rstrip()


def joins(before: str, after: str) -> bool:
    """Whether two characters side by side are of one word; blank space, of which UAX #29 makes one, is of none."""
    if before.isspace() or after.isspace():
        return False
    return all(match.start() != len(before) for match in _WORD_EDGE.finditer(before + after))


def draw_line(draw: Callable[[], str]) -> str:
    """Return the beginning of a line or sentence, in whole words; some words of a text that has neither.

    One that begins with a small letter is taken only if no other is found. `draw` gives a random window of the corpus.
    """
    window = small = ""
    for _ in range(_TRIES):
        window = draw()
        for line in filter(None, (_first(_LINE_START, window), _first(_SENTENCE_START, window))):
            if not next(filter(str.isalpha, line), "").islower():
                return line
            small = small or line
    if small:
        return small
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
