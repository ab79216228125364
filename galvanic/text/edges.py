"""Cut texts at lines, sentences and words, in scripts with spaces between words and without."""

import re
from collections.abc import Callable

import regex

from galvanic.emoji import before_emoji
from galvanic.options import StopAt

LONGEST = 60  # most characters of a line that a text begins with: they set the tone, and the model writes the rest
LOOK = 2  # characters after a text that show whether its last word ends there: an apostrophe and a letter
_LEAST = 10  # characters of a line that a text begins with
_SHORT = 30  # characters of a line in a script without spaces
_TRIES = 8  # windows in which `pick_line` looks for a line
_LONGEST_WORD = 200  # characters; a longer word is cut
_LEFT_OPEN_MOST = 60  # characters at the end in which openings, names and headings are looked for
_FULL = 0.9  # of the most characters: a text with fewer was not cut at a word
_DOUBLE_QUOTES = '"„“”«»'
# German and Danish also close with “ ‘ «; French puts a space before ».
_CLOSERS = r"""(?:["'”’“‘«)\]*_]|[ \u00a0\u202f]?»)*"""
_TITLES = "Mr|Mrs|Ms|Dr|St"  # the point of "Mr." ends no sentence
_ENDS = ".!?…।॥۔؟"  # also of Hindi, Urdu and Arabic
_SIGNS = rf"""(?!(?<=\b(?:{_TITLES}))\.)[{_ENDS}]"""
_SENTENCE_END = regex.compile(
    rf"""(?<![{_ENDS}]){_SIGNS}++{_CLOSERS}(?=\s|\Z)"""  # of scripts with spaces
    r"""|[。！？…]+["'”’」』》）]*"""  # of Chinese and Japanese
)
_LINE_START = re.compile(r"\n\s*")
_SENTENCE_START = regex.compile(
    rf"""{_SIGNS}{_CLOSERS}\s+"""  # of scripts with spaces
    r"""|[。！？…]["'”’」』》）]*\s*"""  # of Chinese and Japanese
)
_WORD_START = re.compile(r"\s+(?=\S)")
_LAST_PIECE = re.compile(rf"\s\S{{0,{LONGEST}}}\Z")
# Word boundaries of Unicode (UAX #29), also before and after each ideograph; but a hyphen joins two words.
_WORD_EDGE = regex.compile(r"(?<!\w[-‐])\b(?![-‐]\w)", regex.WORD)
_OPENING = r"""[\s\p{Ps}\p{Pi}"']*"""
_LEFT_OPEN = regex.compile(rf"(?:\A|[\s\p{{Ps}}]){_OPENING}(?:(?:{_TITLES})\.?{_OPENING})?\Z")
"""Blank space, and brackets, quotes and titles that begin something. Right after a word, “ and « may close."""
_ANNOUNCED = regex.compile(  # a name or a heading at the end, on its own line or, with a colon, after a sentence
    r"\n\s*(?!<a?:)(?:"
    r"[^\n.!?…。！？:：]+[:：]"  # a speaker's name
    r"|(?:[^\p{L}\n!?]*\p{Lu}){2,}[^\p{L}\n!?]*"  # a name in capitals, or a heading
    r"|(?:Chapter|Letter|Book|Part|Act|Scene|Canto|Volume|Stave)(?:\s+(?:[IVXLCDM]+|\d+)\b[^\n]*)?"
    r"|[IVXLCDM]\.?|[*_=~·•–—-][\s*_=~·•–—-]*)\Z"
    rf"|(?<={_SIGNS}{_CLOSERS})\s+\p{{Lu}}[\w.'’-]*(?:\s\p{{Lu}}[\w.'’-]*)*:\Z"
)
_NAME = (  # a speaker's name before their words, as in a play; it has few words, which bounds the search
    r"(?:"
    r"\p{Lu}[\p{Lu}'’.-]+(?:[^\S\n][\p{Lu}'’.&-]+){0,5}(?::|[^\S\n]*\n)"  # in capitals, with a colon or on a line
    r"|\p{Lu}[\w'’.-]*(?:[^\S\n]\p{Lu}[\w'’.-]*){0,5}:(?=\s)"
    r")\s*"
)
_NAMES, _NEXT_NAME = regex.compile(rf"\s*(?:{_NAME})+"), regex.compile(rf"\n[^\S\n]*{_NAME}")


def cut(text: str, most: int, stop: StopAt | None = None, *, at_words: bool = True) -> str:
    """Cut a text to at most `most` characters.

    It ends with its last sentence (closing quotes included) or line if `stop` asks for that. Without one, and if
    `at_words`, it ends with the last sentence or line that ends after the first quarter, or with the last word. If
    nothing would be left, it has `most` characters. It ends within no custom emoji, for which it may be shorter or
    empty. `text` should have `LOOK` characters more, which show whether a word ends there.
    """
    seen = text[: most + LOOK]
    sentences = [match.end() for match in _SENTENCE_END.finditer(seen) if match.end() <= most]
    lines = [match.start() for match in re.finditer("\n", seen[:most])]
    early = most // 4
    asked = {"sentence": sentences[-1:], "line": lines[-1:]}.get(stop or "")
    if not asked and at_words:
        asked = [end for end in (max([*sentences, *lines], default=0),) if end > early]
    ends = [*(asked or ()), *(_word_ends(seen, most) if at_words else ())]
    pieces = (_closed(text[: before_emoji(text, end)]) for end in ends)
    return next((piece for piece in pieces if piece), text[: before_emoji(text, most)])


def _closed(text: str) -> str:
    """Remove opening brackets and quotes, names and headings at the end of a text."""
    end, before = text[-_LEFT_OPEN_MOST:], ""
    while end != before:
        before, end = end, _ANNOUNCED.sub("", _LEFT_OPEN.sub("", end))
    return text[:-_LEFT_OPEN_MOST] + end


def is_whole(text: str, most: int) -> bool:
    """Return whether a text that was cut to `most` characters breaks off in no sentence, quotation or square bracket.

    A clearly shorter text ended by itself. Round brackets may also be a smiley.
    """
    ended = len(text) < _FULL * most or any(match.end() == len(text) for match in _SENTENCE_END.finditer(text))
    return ended and text.count("[") == text.count("]") and sum(map(text.count, _DOUBLE_QUOTES)) % 2 == 0


def speech(text: str) -> str:
    """Return the words of a text's first speaker, without names; empty if there are only names."""
    if names := _NAMES.match(text):
        text = text[names.end() :]
    following = _NEXT_NAME.search(text)
    return text[: following.start()].rstrip() if following else text


def _word_ends(text: str, most: int) -> list[int]:
    """Return the word boundaries up to `most`, the last one first."""
    start = max(0, most - _LONGEST_WORD)
    ends = [start + match.start() for match in _WORD_EDGE.finditer(text[start:]) if match.start()]
    return [end for end in reversed(ends) if end <= most]


def drop_partial_word(text: str) -> str:
    """Drop the beginning of a text up to its first blank space, since it may begin inside a word.

    It stays as it is if no blank space comes soon, as in scripts without spaces.
    """
    space = _WORD_START.search(text[:LONGEST])
    return text[space.end() :] if space else text


def whole_words(text: str) -> str:
    """Drop the first and the last word of a piece of a text, which may be incomplete; empty if nothing is left."""
    return _LAST_PIECE.sub("", drop_partial_word(text)).rstrip()


def joins(before: str, after: str) -> bool:
    """Return whether two characters side by side belong to one word."""
    if before.isspace() or after.isspace():  # to UAX #29, blank space is a word
        return False
    return all(match.start() != len(before) for match in _WORD_EDGE.finditer(before + after))


def pick_line(draw: Callable[[], str]) -> str:
    """Pick the beginning of a random line or sentence, in whole words; some words of a text that has neither.

    It prefers a line that begins with no small letter. `draw` returns a random window of the corpus.
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
    """Return the first line after a match of `start` that is long enough; empty if there is none."""
    pieces = (_ended(window[match.end() :]) for match in start.finditer(window))
    return next((piece for piece in pieces if len(piece) >= _LEAST), "")


def _ended(text: str) -> str:
    """Return the text up to the end of its line, or of a word if the line is too long."""
    line, ending, _ = text.partition("\n")
    if ending and len(line) <= LONGEST:
        return line.rstrip()
    # The window may end in the middle of a word.
    head, space, _ = line[: LONGEST + 1].rpartition(" ")
    return head.rstrip() if space else line[: before_emoji(line, _SHORT)]
