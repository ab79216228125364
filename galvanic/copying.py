"""How much of what a model wrote stands verbatim in its corpus. Works without TensorFlow.

The corpus may be far larger than the memory, so nothing is built of it: the samples' pieces are hashed, and a rolling
hash (Karp & Rabin 1987) goes over the corpus once. Every hit is compared character by character.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from galvanic.results import CurvePoint, best_point
from galvanic.source import chunks, cleaned
from galvanic.text import Prepared
from galvanic.text.vocabulary import Points, to_points
from galvanic.units import count

RUN = 30  # characters in a row that count as copied; shorter ones are shared phrases
_PART = 2**16  # symbols or characters of the corpus at once: their arrays stay in the processor's cache
_BETWEEN = 2**32 - 1  # no code point: nothing in the corpus equals what crosses the end of a sample
_BASES = (0x9E3779B97F4A7C15, 0xD1B54A32D192ED03, 0xAEF17502108EF2D9)  # odd; hashes are polynomials modulo 2**64
_FILTER_BITS = 20
_COMPARISONS = 500  # in each part of the corpus to find the longest piece; only endless repetition needs more

_Hashes = npt.NDArray[np.uint64]


@dataclass(frozen=True)
class CopyScore:
    """`longest`: characters of the longest piece of a sample that stands in the corpus; 0 if it is shorter than a run.
    Where samples and corpus both repeat themselves endlessly it may be longer than said."""

    share: float  # of the samples' characters that stand verbatim in the corpus, in long enough runs
    chars: int  # in the samples
    longest: int


def copy_score(samples: Sequence[str], corpus: str | os.PathLike[str] | Prepared, run: int = RUN) -> CopyScore:
    """How much of the samples stands verbatim in a corpus: a text, the path of one in UTF-8, or one as it was learned.

    A file's line ends are taken as the recipes take them. `run`: characters in a row that count as copied; no run goes
    from one sample to the next. Raises ValueError where `run` is less than 2, UserError where the file cannot be read.
    """
    if run < 2:
        raise ValueError("a run has at least two characters")
    chars = sum(map(len, samples))
    if max(map(len, samples), default=0) < run:
        return CopyScore(0.0, chars, 0)
    search = _Search(samples, run)
    for part in _overlapping(_parts(corpus), search.reach):
        search.look(part)
    return CopyScore(search.copied() / chars, chars, search.longest)


class _Search:
    """The samples' pieces of `run` characters, and which of them were found.

    `reach`: characters of the corpus that must be seen from a place on to tell how far a copied piece goes.
    """

    def __init__(self, samples: Sequence[str], run: int) -> None:
        separator = np.array([_BETWEEN], np.uint32)
        self._text: Points = np.concatenate([part for sample in samples for part in (to_points(sample), separator)])
        self._run = run
        self._pieces = np.lib.stride_tricks.sliding_window_view(self._text, run)
        self.reach = max(map(len, samples))
        self.longest = 0
        for self._base in _BASES:
            hashes = _rolling(self._text, run, self._base)
            self._order = np.argsort(hashes, kind="stable")
            self._sorted = hashes[self._order]
            if self._unambiguous():
                break
        self._found = np.zeros(len(hashes), bool)
        self._filter = np.zeros(2**_FILTER_BITS, bool)
        self._filter[_filter_index(hashes)] = True

    def _unambiguous(self) -> bool:
        """Whether different pieces have different hashes."""
        again = np.flatnonzero(self._sorted[1:] == self._sorted[:-1])
        return bool((self._pieces[self._order[again]] == self._pieces[self._order[again + 1]]).all())

    def look(self, part: Points) -> None:
        if len(part) < self._run:
            return
        hashes = _rolling(part, self._run, self._base)
        places = np.flatnonzero(self._filter[_filter_index(hashes)])
        if not len(places):
            return
        # Equal pieces of the samples stand together in the order; the first of them stands for all.
        rank = np.minimum(np.searchsorted(self._sorted, hashes[places]), len(self._sorted) - 1)
        theirs = np.lib.stride_tricks.sliding_window_view(part, self._run)[places]
        genuine = (theirs == self._pieces[self._order[rank]]).all(1)
        places, rank = places[genuine], rank[genuine]
        if len(places):
            self._found[rank] = True
            self._measure(part, places, rank)

    def _measure(self, part: Points, places: npt.NDArray[np.intp], rank: npt.NDArray[np.intp]) -> None:
        """Find the longest copied piece. How many places follow each other is the most that it can be; it is less
        where the samples have the pieces in several places."""
        last = np.append(np.flatnonzero(np.diff(places) != 1), len(places) - 1)
        index = np.arange(len(places))
        most = np.minimum(last[np.searchsorted(last, index)] - index + self._run, self.reach)
        left = _COMPARISONS
        for number in np.argsort(-most, kind="stable"):
            begin = rank[number]
            end = np.searchsorted(self._sorted, self._sorted[begin], "right")
            for mine in self._order[begin:end]:
                if most[number] <= self.longest or not left:
                    return
                left -= 1
                self.longest = max(self.longest, _common(part[places[number] :], self._text[mine : mine + self.reach]))

    def copied(self) -> int:
        """Characters of the samples in the pieces that were found."""
        _, first, group = np.unique(self._sorted, return_index=True, return_inverse=True)
        starts = np.zeros(len(self._text) + 1, np.int64)
        found = self._order[self._found[first][group]]
        starts[found] += 1
        starts[found + self._run] -= 1
        return int((np.cumsum(starts) > 0).sum())


def _common(one: Points, other: Points) -> int:
    """Length of the common beginning."""
    length = min(len(one), len(other))
    different = np.flatnonzero(one[:length] != other[:length])
    return int(different[0]) if len(different) else length


def _filter_index(hashes: _Hashes) -> _Hashes:
    return hashes >> np.uint64(64 - _FILTER_BITS)


def _rolling(points: Points, run: int, base: int) -> _Hashes:
    """Hashes of all pieces of `run` characters, shape [len(points) - run + 1].

    Put together from those of 1, 2, 4 ... characters: hash(xy) = hash(x) base**len(y) + hash(y).
    """
    power: _Hashes = points.astype(np.uint64)
    length, done = 1, 0
    result: _Hashes = np.zeros(len(points), np.uint64)
    while True:
        factor = np.uint64(pow(base, length, 2**64))
        if run & length:
            kept = len(points) - done - length + 1
            result = result[:kept] * factor + power[done : done + kept]
            done += length
        if done == run:
            return result
        power = power[:-length] * factor + power[length:]
        length *= 2


def _parts(corpus: str | os.PathLike[str] | Prepared) -> Iterator[Points]:
    if isinstance(corpus, Prepared):
        for start in range(0, len(corpus.ids), _PART):
            yield to_points(corpus.vocabulary.decode(np.asarray(corpus.ids[start : start + _PART])))
    elif isinstance(corpus, str):
        for start in range(0, len(corpus), _PART):
            yield to_points(corpus[start : start + _PART])
    else:
        yield from map(to_points, cleaned(chunks(corpus)))


def _overlapping(parts: Iterable[Points], reach: int) -> Iterator[Points]:
    """Parts that begin with the last `reach` code points of the one before, so that nothing is cut in two."""
    kept: list[Points] = []
    fresh = 0
    for part in parts:
        kept.append(part)
        fresh += len(part)
        if fresh >= max(_PART, reach):
            whole = np.concatenate(kept)
            yield whole
            kept, fresh = [whole[-reach:]], 0
    if fresh:
        yield np.concatenate(kept)


_WORSE_NATS = 0.03  # held-out loss lost since the best epoch for the end to count as learning by heart
_GAP_NATS = 0.5  # between the loss on its own text and on new text
RECITES = 0.5  # share of copied text from which a model is said to recite
COPIES = 0.2  # and to copy


def overfitting(curve: tuple[CurvePoint, ...]) -> tuple[str, ...]:
    if not curve or curve[-1].heldout_loss is None:
        return ()
    best, last = best_point(curve), curve[-1]
    notes: list[str] = []
    if best.epoch == 0 and last is not best:
        notes.append("More training made it no better: the model is as it was before.")
    elif best is not last and last.watched > best.watched + _WORSE_NATS and last.train_loss < best.train_loss:
        notes.append(
            f"After epoch {best.epoch} it only learned its text by heart; the model is the one of epoch {best.epoch}."
        )
    if best.heldout_loss is not None and best.heldout_loss > best.train_loss + _GAP_NATS:
        notes.append("It foresees its own text much better than new text: a longer text would help.")
    return tuple(notes)


def copying(samples: Sequence[str], prepared: Prepared) -> tuple[float, tuple[str, ...]]:
    """Share of the samples that is copied from the corpus, and notes about it."""
    score = copy_score(samples, prepared)
    if score.share >= RECITES:
        start = "It mostly recites"
    elif score.share >= COPIES:
        start = "It copies a good deal"
    else:
        return score.share, ()
    note = (
        f"{start}: {score.share:.0%} of what it wrote stands word for word in its text (the longest piece has "
        f"{count(score.longest, 'character')}). A longer text, fewer epochs or more dropout would help."
    )
    return score.share, (note,)
