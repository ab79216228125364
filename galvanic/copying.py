"""Copies of the corpus in a model's samples: verbatim runs of characters, and known words. Works without TensorFlow."""

import re
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import regex

from galvanic.emoji import named
from galvanic.text import Prepared
from galvanic.text.edges import whole_words

RUN = 30  # characters in a row that count as copied; shorter runs are common phrases
_REPEATED = re.compile(r"\s+|([^\w\s])\1+")


def copied_share(samples: Sequence[str], corpus: Iterable[str], run: int = RUN) -> float:
    """Return the share of the samples' characters that stand verbatim in a corpus, which comes in parts.

    Any blank space counts as one space, and a row of the same sign as one sign: an indentation or a ruled line is no
    copy. `run`: characters in a row that count as copied. No run goes from one sample into the next.
    """
    samples = ["".join(_normalised([sample])) for sample in samples]
    # Where each piece of `run` characters begins in the samples, these one behind the other.
    places: dict[str, list[int]] = {}
    begin = 0
    for sample in samples:
        for at in range(len(sample) - run + 1):
            places.setdefault(sample[at : at + run], []).append(begin + at)
        begin += len(sample) + 1
    marked = np.zeros(begin, bool)
    for piece in places.keys() & _pieces(_normalised(corpus if places else ()), run):
        for start in places[piece]:
            marked[start : start + run] = True
    return float(marked.sum()) / max(1, sum(map(len, samples)))


def _normalised(parts: Iterable[str]) -> Iterator[str]:
    """Yield a text with any blank space as one space, a custom emoji as `:name:`, and a row of the same sign as one."""
    last = ""
    for part in parts:
        text = _REPEATED.sub(lambda match: match[1] or " ", last + named(part))
        last = text[-1:]  # it may be repeated at the beginning of the next part
        yield text[:-1]
    yield last


def _pieces(parts: Iterable[str], run: int) -> Iterator[str]:
    """Yield all pieces of `run` characters of a text, in order."""
    rest = ""
    for part in parts:
        rest += part
        for at in range(len(rest) - run + 1):
            yield rest[at : at + run]
        rest = rest[max(0, len(rest) - run + 1) :]


_WORD = regex.compile(r"\p{L}[\p{L}\p{M}]*")
_LONGEST_WORD = 100
_LEAST_KNOWN = 0.5
_MOST_LAST = 200_000  # symbols


def known_words(samples: Sequence[str], prepared: Prepared) -> tuple[float, float] | tuple[None, None]:
    """Return the share of the samples' words that the text has, and the same share for the text's own end.

    The end is the held-out part, or the last tenth; the text is what comes before it. Returns None twice if either has
    no words, or if so few of the end's words came before that they can't be words, as in scripts without spaces.
    """
    end = prepared.learned if len(prepared.heldout) else len(prepared.ids) * 9 // 10
    written, last = (
        [word for text in texts for word in _WORD.findall(whole_words(text).lower())]
        for texts in (samples, [prepared.vocabulary.decode(prepared.ids[end : end + _MOST_LAST])])
    )
    if not written or not last:
        return None, None
    words_asked, words_found, rest = {*written, *last}, set[str](), ""
    for part in prepared.parts(end):
        text = rest + part.lower()
        words = _WORD.findall(text)
        rest = words.pop()[-_LONGEST_WORD:] if words and text.endswith(words[-1]) else ""  # it may go on
        words_found |= words_asked.intersection(words)
    words_found |= words_asked & {rest}
    own, usual = (sum(word in words_found for word in words) / len(words) for words in (written, last))
    return (own, usual) if usual >= _LEAST_KNOWN else (None, None)
