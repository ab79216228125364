"""Tokens and stop words by NLTK. Import this module only when a text is tokenized: NLTK takes half a second."""

import functools
import warnings
from pathlib import Path

import regex
from nltk import data, redos
from nltk.corpus import stopwords
from nltk.tokenize import RegexpTokenizer, WordPunctTokenizer

from galvanic.emoji import EMOJI

_OURS = Path(__file__).parent / "nltk_data"
data.path.append(str(_OURS))  # last in the list: a full NLTK data folder on this machine comes first
# NLTK ends a call after five seconds, against hostile patterns. Ours are linear, and a computer may sleep meanwhile.
redos.DEFAULT_TIMEOUT = None

_WORDS = RegexpTokenizer(r"\w+")
_TOKENS = WordPunctTokenizer()
# In scripts without spaces between words each character is a token. Else the vocabulary of a channel's model would have
# whole clauses of a member. A run of more than 100 characters, which is a ruled line or data, is several tokens.
_UNSPACED = r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]"
_LONGEST = 100
_PART = regex.compile(rf" ?(?:{_UNSPACED}|[\S--{_UNSPACED}]{{1,{_LONGEST}}})", regex.V1)


@functools.cache
def stop_words() -> frozenset[str]:
    """Return NLTK's English stop words."""
    try:
        with warnings.catch_warnings(action="ignore"):
            return frozenset(stopwords.words("english"))
    except (LookupError, OSError):  # NLTK refuses a folder that a group may write to, as many checkouts are
        return frozenset((_OURS / "corpora/stopwords/english").read_text("utf-8").split())


def words(text: str) -> list[str]:
    """Return the tutorial's tokens, without stop words."""
    stop = stop_words()
    return [token for token in _WORDS.tokenize(text) if token not in stop]


def with_spaces(text: str) -> list[str]:
    """Split a text into words and punctuation, each with the space before it, custom emoji, and all other blank space,
    a character each: joined, they are the text."""
    pieces = enumerate(EMOJI.split(text))  # every second one is an emoji
    return [part for number, piece in pieces for part in ([piece] if number % 2 else _words_with_spaces(piece))]


def _words_with_spaces(text: str) -> list[str]:
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
