"""Tokens and stop words by NLTK. It takes half a second to import, so import this module where a text is tokenized."""

from __future__ import annotations

import functools
import warnings
from pathlib import Path

import regex
from nltk import data, redos
from nltk.corpus import stopwords
from nltk.tokenize import RegexpTokenizer, WordPunctTokenizer

_OURS = Path(__file__).parent / "nltk_data"
data.path.append(str(_OURS))  # the last one: a full NLTK data folder of this machine comes first
# NLTK ends a call after five seconds, against patterns of strangers. Ours are linear, and a computer may sleep.
redos.DEFAULT_TIMEOUT = None

_WORDS = RegexpTokenizer(r"\w+")
_TOKENS = WordPunctTokenizer()
# Where no spaces stand between words each sign is a token, or a channel's model would have whole clauses of a member in
# its vocabulary. A run of more than 100 characters, which is no word but a ruled line or data, is several tokens: what
# one symbol writes is bounded.
_UNSPACED = r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]"
_LONGEST = 100
_PART = regex.compile(rf" ?(?:{_UNSPACED}|[\S--{_UNSPACED}]{{1,{_LONGEST}}})", regex.V1)


@functools.cache
def stop_words() -> frozenset[str]:
    """Return NLTK's English ones."""
    try:
        with warnings.catch_warnings(action="ignore"):
            return frozenset(stopwords.words("english"))
    except (LookupError, OSError):  # NLTK reads no folder in which a group may write, as in many a checkout
        return frozenset((_OURS / "corpora/stopwords/english").read_text("utf-8").split())


def words(text: str) -> list[str]:
    """Return the tutorial's tokens, without stop words."""
    stop = stop_words()
    return [token for token in _WORDS.tokenize(text) if token not in stop]


def word_spans(text: str) -> list[tuple[int, int]]:
    """Return the tokens of `words` as (start, end) places in the text."""
    stop = stop_words()
    return [(start, end) for start, end in _WORDS.span_tokenize(text) if text[start:end] not in stop]


def with_spaces(text: str) -> list[str]:
    """Split a text into words and punctuation, each with the space before it, and all other blank space, a character
    each: joined, they are the text."""
    parts: list[str] = []
    behind = 0
    for start, end in _TOKENS.span_tokenize(text):
        if start > behind and text[start - 1] == " ":
            start -= 1
        parts += text[behind:start]
        token = text[start:end]
        if len(token) <= _LONGEST and token.isascii():
            parts.append(token)
        else:
            parts += _PART.findall(text, start, end)
        behind = end
    parts += text[behind:]
    return parts
