"""How often passages of a few symbols stand in a text, as a table of a few bytes an entry.

What is counted: passages of 1 to `ORDERS` symbols. What is kept of one: the share of its last symbol among all that
came after the others, by interpolated modified Kneser-Ney smoothing (Chen & Goodman 1999). Of more than fit, those go
whose loss changes the predictions of the text least (Stolcke 1998).

Works without TensorFlow.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from galvanic.text.vocabulary import id_type

Arrays = dict[str, npt.NDArray[Any]]
Whole = npt.NDArray[Any]  # int32: a text of which all is counted has millions of passages
PREFIX = "ngrams/"  # of the arrays in a model's file
ORDERS = {"char": 7, "word": 6}
"""Length of the longest passage, its last symbol included: one more takes half as many entries more, and lowers losses
of `char` by 0.003 nats at most, of `word` by none."""
MOST_BYTES = 3_000_000
MOST_COUNTED = 2_000_000
"""Symbols; of a longer text so many are counted, in pieces from all of it."""
_PIECES = 200
MEMBERS = 3
FREE = {"char": 3, "word": 1}
"""Of a text of several members, passages of more symbols than these stand only if lines of so many of them have it."""
_MOST_LETTERS = 64.0
"""Perplexity of single symbols above which they are no letters, and more than one is free as little as of `word`: it is
about 20 for alphabets, hundreds for Chinese and Japanese."""
LEAST_SHARE = 1e-6
STEPS = 255
"""Shares are kept in steps of their logarithm, from 1 (0) to `LEAST_SHARE`; the last step stands for none at all. On
three texts it changes their losses by 0.0005 nats at most."""


class Lines(NamedTuple):
    """Of a text of several members, whose last line ends."""

    ends: npt.NDArray[np.int64]  # [lines]: places of the symbols that end them
    authors: npt.NDArray[Any]  # [lines]: a number for whoever wrote each


@dataclass
class _Level:
    """Passages of one length in the order of their symbols, [passages] all."""

    parent: Whole  # the passage without its last symbol, in the level before
    symbol: Whole  # the last one
    counts: Whole
    shorter: Whole  # the passage without its first symbol, in the level before
    before: Whole  # how many different symbols came before it
    share: npt.NDArray[np.float32]
    worth: npt.NDArray[np.float32]  # nats a symbol that the text's prediction loses without it, or what needs it


def count(
    ids: npt.NDArray[Any], symbols: int, recipe: str, most_bytes: int = MOST_BYTES, lines: Lines | None = None
) -> Arrays:
    """The table of a text (ids, [symbols of the text]), as it is saved. `lines`: of this text, or of a longer one that
    begins with it; None: all of it may be told.

    A tree, of which each passage is a node: the root (0), each symbol of the vocabulary (1 to `symbols`), and then the
    longer ones, those of one length after those of the one before, each in the order of their symbols. `ngrams/symbol`:
    the last of it, [nodes - 1 - symbols]; `ngrams/share`: [nodes - 1]; `ngrams/children`: how many passages go on from
    it, [nodes - 1 without those of the greatest length].
    """
    places = _places(len(ids))
    counted = np.asarray(ids[places], np.int64)
    free = FREE[recipe] if _perplexity(np.bincount(counted)) <= _MOST_LETTERS else 1
    owned = None if lines is None else _Owned(places, lines, free)
    levels = _levels(counted, symbols, ORDERS[recipe], owned)
    levels = _kept(levels, most_bytes, id_type(symbols)(0).itemsize)
    pairs = itertools.pairwise(levels)
    children = _joined([np.bincount(level.parent, minlength=len(above.symbol)) for above, level in pairs])
    shares = np.concatenate([level.share for level in levels])
    steps = np.rint(np.log(np.maximum(shares, LEAST_SHARE)) / _STEP)  # the last for what is not there at all
    return {
        "ngrams/symbol": _joined([level.symbol for level in levels[1:]]).astype(id_type(symbols)),
        "ngrams/share": np.minimum(steps, STEPS).astype(np.uint8),
        "ngrams/children": children.astype(id_type(int(children.max(initial=0)) + 1)),
    }


_STEP = math.log(LEAST_SHARE) / STEPS
SHARES = np.exp(_STEP * np.arange(STEPS + 1)).astype(np.float32)
SHARES[STEPS] = 0


def _joined(arrays: list[Whole]) -> Whole:
    return np.concatenate([np.zeros(0, np.int32), *arrays])


def _places(size: int) -> npt.NDArray[np.int64]:
    """Of all symbols of a text, or of evenly spread pieces of it. Passages across the ends of two pieces are too few to
    matter."""
    if size <= MOST_COUNTED:
        return np.arange(size)
    each = MOST_COUNTED // _PIECES
    return (np.linspace(0, size - each, _PIECES).astype(np.int64)[:, None] + np.arange(each)).ravel()


def _perplexity(counts: Whole) -> float:
    shares = counts[counts > 0] / counts.sum()
    return math.exp(-float(shares @ np.log(shares)))


class _Owned:
    """Which passages lines of `MEMBERS` members have. A line has those within it, its end and that of the line before
    included, and none that goes on from one line, or from one piece of the text, into the next."""

    def __init__(self, places: npt.NDArray[np.int64], lines: Lines, free: int) -> None:
        self._places, self._free = places, free
        self._line = np.searchsorted(lines.ends, places)
        members, numbers = np.unique(lines.authors, return_inverse=True)
        self._members = len(members)
        self._author = numbers[self._line]

    def stand(self, length: int, passages: Whole, counts: Whole) -> npt.NDArray[np.bool_]:
        """By passage, of how often each is there (`counts`); `passages`: which one begins at each place."""
        if length <= self._free:
            return np.ones(len(counts), bool)
        last = length - 1
        whole = self._line[1 : len(passages) + 1] == self._line[last:]
        whole &= self._places[last:] - self._places[: len(passages)] == last
        whole &= counts[passages] >= MEMBERS
        pairs = np.unique(passages[whole] * self._members + self._author[1 : len(passages) + 1][whole])
        return np.bincount(pairs // self._members, minlength=len(counts)) >= MEMBERS


def _levels(ids: npt.NDArray[np.int64], symbols: int, order: int, owned: _Owned | None) -> list[_Level]:
    every = np.arange(symbols)
    levels = [_level(np.zeros(symbols, np.int64), every, np.bincount(ids, minlength=symbols), np.zeros_like(every))]
    ranks = ids  # of the passage that begins at each place, within its level
    stand = [np.ones(symbols, bool)]
    for length in range(2, min(order, len(ids)) + 1):
        keys = ranks[:-1] * symbols + ids[len(ids) - len(ranks) + 1 :]
        found, first, inverse, counts = np.unique(keys, return_index=True, return_inverse=True, return_counts=True)
        level = _level(found // symbols, found % symbols, counts, ranks[first + 1])
        levels[-1].before = np.bincount(level.shorter, minlength=len(levels[-1].symbol))
        levels.append(level)
        ranks = inverse
        stand.append(owned.stand(length, ranks, counts) if owned else np.ones(len(counts), bool))
    _share(levels, len(ids))
    for level, stands in zip(levels, stand, strict=True):
        level.worth[~stands] = -np.inf  # whatever it is worth
    return levels


def _level(parent: Whole, symbol: Whole, counts: Whole, shorter: Whole) -> _Level:
    parent, symbol, counts, shorter = (array.astype(np.int32) for array in (parent, symbol, counts, shorter))
    size = len(symbol)
    return _Level(
        parent, symbol, counts, shorter, counts, np.zeros(size, np.float32), np.full(size, np.inf, np.float32)
    )


def _share(levels: list[_Level], total: int) -> None:
    """Fill in shares and worths."""
    symbols = len(levels[0].symbol)
    above = np.array([total])
    shorter = np.full(symbols, 1 / symbols)  # probability of each passage's last symbol after one symbol less
    for index, level in enumerate(levels):
        # Kneser-Ney: of all but the longest it counts after how many different symbols they came.
        longest = level is levels[-1]
        counted = level.counts if longest else np.where(level.counts > 0, np.maximum(level.before, 1), 0)
        sums = np.bincount(level.parent, counted, minlength=len(above))
        off = _discounts(counted)[np.minimum(counted, 3)]
        rest = np.bincount(level.parent, off, minlength=len(above)) / np.maximum(sums, 1)
        level.share = ((counted - off) / np.maximum(sums, 1)[level.parent]).astype(np.float32)
        probability = level.share + rest[level.parent] * shorter
        if index:
            without = (level.share + rest[level.parent]) * shorter
            gained = probability * np.log(probability / without) - level.share * (1 - shorter)
            level.worth = ((above / total)[level.parent] * gained).astype(np.float32)
        above = level.counts
        if not longest:
            shorter = probability[levels[index + 1].shorter]


def _discounts(counts: Whole) -> npt.NDArray[np.float64]:
    """Of a count of 0, 1, 2, and 3 or more (Chen & Goodman 1999, equation 26)."""
    n1, n2, n3, n4 = np.maximum(np.bincount(np.minimum(counts, 5), minlength=6)[1:5], 1)
    share = n1 / (n1 + 2 * n2)
    found = [0, 1 - 2 * share * n2 / n1, 2 - 3 * share * n3 / n2, 3 - 4 * share * n4 / n3]
    clipped: npt.NDArray[np.float64] = np.clip(found, [0, 0.05, 0.1, 0.1], [0, 0.98, 1.9, 2.8])
    return clipped


def _kept(levels: list[_Level], most_bytes: int, symbol_bytes: int) -> list[_Level]:
    """The passages of most worth; with one those that it begins with."""
    for above, level in reversed(list(itertools.pairwise(levels))):
        np.maximum.at(above.worth, level.parent, level.worth)
    # Bytes of an entry: its symbol, its share and how many go on from it.
    most = max(len(levels[0].symbol), most_bytes // (symbol_bytes + 1 + symbol_bytes))
    worths = np.concatenate([level.worth for level in levels])
    least = np.partition(worths, len(worths) - most)[len(worths) - most] if len(worths) > most else -np.inf
    kept: list[_Level] = []
    places = np.zeros(1, np.int64)  # of the former level's passages in what is kept of it
    for level in levels:
        stay = (level.worth > least) | (level.worth == np.inf)
        if kept and not stay.any():
            break
        chosen = {name: array[stay] for name, array in vars(level).items()}
        chosen["parent"] = places[chosen["parent"]]
        kept.append(_Level(**chosen))
        places = np.cumsum(stay) - 1
    return kept
