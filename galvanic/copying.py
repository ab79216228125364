"""How much of what a model wrote stands in its corpus: verbatim, and word by word. Works without TensorFlow."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import regex

from galvanic.text import Prepared
from galvanic.text.edges import whole_words

RUN = 30  # characters in a row that count as copied; shorter ones are shared phrases
_REPEATED = re.compile(r"\s+|([^\w\s])\1+")
_MOST_STEPS = 5_000_000  # to find the longest piece; only endless repetition needs more


@dataclass(frozen=True)
class CopyScore:
    """`longest`: characters of the longest piece of a sample that stands in the corpus; 0 if it is shorter than a run.
    Where samples and corpus both repeat themselves endlessly it may be longer than said."""

    share: float  # of the samples' characters that stand verbatim in the corpus, in long enough runs
    chars: int  # in the samples
    longest: int


def copy_score(samples: Sequence[str], corpus: Iterable[str], run: int = RUN) -> CopyScore:
    """How much of the samples stands verbatim in a corpus, which is given in parts.

    Blank space counts as one space, and a row of the same sign as one: neither an indentation nor a ruled line is
    anybody's words. `run`: characters in a row that count as copied; no run goes from one sample to the next.
    """
    samples = ["".join(_evened([sample])) for sample in samples]
    places: dict[str, list[int]] = {}  # of each piece of `run` characters, all samples one behind the other
    begin = 0
    for sample in samples:
        for at in range(len(sample) - run + 1):
            places.setdefault(sample[at : at + run], []).append(begin + at)
        begin += len(sample) + 1
    found: set[str] = set()
    lengths: dict[int, int] = {}  # by place in the samples: how long the piece that is copied is so far
    longest = steps = 0
    for piece in _pieces(_evened(corpus if places else ()), run):
        starts = places.get(piece)
        if starts is None:
            lengths = {}
            continue
        found.add(piece)
        if (steps := steps + len(starts)) <= _MOST_STEPS:
            lengths = {start: lengths.get(start - 1, run - 1) + 1 for start in starts}
            longest = max(longest, *lengths.values())
    marked = np.zeros(begin, bool)
    for piece in found:
        for start in places[piece]:
            marked[start : start + run] = True
    chars = sum(map(len, samples))
    return CopyScore(float(marked.sum()) / chars if chars else 0.0, chars, longest)


def _evened(parts: Iterable[str]) -> Iterator[str]:
    last = ""
    for part in parts:
        text = _REPEATED.sub(lambda found: found[1] or " ", last + part)
        last = text[-1:]  # what it repeats may come with the next part
        yield text[:-1]
    yield last


def _pieces(parts: Iterable[str], run: int) -> Iterator[str]:
    """All pieces of `run` characters of a text, in order."""
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
    """Share of the samples' words that stand in a text, and of the words of its own end that stand before it: what is
    held out, or a tenth. None where either has no words, or so few of the text's own came before that they can be none,
    as in scripts without spaces."""
    end = prepared.learned if len(prepared.heldout) else len(prepared.ids) * 9 // 10
    written, last = (
        [word for text in texts for word in _WORD.findall(whole_words(text).lower())]
        for texts in (samples, [prepared.vocabulary.decode(prepared.ids[end : end + _MOST_LAST])])
    )
    if not written or not last:
        return None, None
    wanted, found, rest = {*written, *last}, set[str](), ""
    for part in prepared.parts(end):
        text = rest + part.lower()
        words = _WORD.findall(text)
        rest = words.pop()[-_LONGEST_WORD:] if words and text.endswith(words[-1]) else ""  # it may go on
        found |= wanted.intersection(words)
    found |= wanted & {rest}
    own, usual = (sum(word in found for word in words) / len(words) for words in (written, last))
    return (own, usual) if usual >= _LEAST_KNOWN else (None, None)
