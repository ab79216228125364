"""An n-gram language model of a text, counted and stored in 3 MB at most.

1. All passages (n-grams) of 1 to 7 symbols are counted.
2. Each gets a share: the discounted probability of its last symbol after the others, by interpolated modified
   Kneser-Ney smoothing (Chen & Goodman 1999).
3. If they are too many, the passages are dropped without which the text is predicted nearly as well (Stolcke 1998).
4. In a text of several members, a passage of more than a few symbols stays only if lines of `MEMBERS` members have it,
   so that the table holds no member's own words.
5. The rest is a tree in three arrays, with 3 to 4 bytes for a passage (`count`). `galvanic.companion` predicts with it.

Works without TensorFlow.
"""

import itertools
import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from galvanic.text.vocabulary import id_type

Arrays = dict[str, npt.NDArray[Any]]
Whole = npt.NDArray[Any]  # int32: a text has millions of passages
PREFIX = "ngrams/"  # of the arrays' names in a model file
ORDERS = {"char": 7, "word": 6}
"""Length of the longest passage, its last symbol included. One symbol more would take half as many entries again, and
lower the loss of `char` by 0.003 nats at most, and that of `word` not at all."""
MOST_BYTES = 3_000_000  # of a table
MOST_COUNTED = 2_000_000  # symbols; of a longer text, evenly spread pieces are counted
_PIECES = 200
MEMBERS = 3  # whose lines must have a passage
FREE = {"char": 3, "word": 1}  # passages of up to so many symbols stay, even if a single member has them
_MOST_LETTERS = 64.0
"""Perplexity of single symbols up to which they are letters. Above it, in Chinese or Japanese, a symbol says as much as
a word, and the limit of `word` holds. Alphabets have about 20, Chinese and Japanese hundreds."""
LEAST_SHARE = 1e-6
STEPS = 255
"""Steps in which the logarithm of a share is stored, from 1 (step 0) to `LEAST_SHARE`. The last step means that the
passage never came. On three texts, rounding changed the loss by 0.0005 nats at most."""


class Lines(NamedTuple):
    """The lines of a text that several members wrote; the last line ends, too."""

    ends: npt.NDArray[np.int64]  # [lines]: places of their line breaks
    authors: npt.NDArray[Any]  # [lines]: a number for the author of each


@dataclass
class _Level:
    """All passages of one length, in the order of their symbols. All arrays are [passages]."""

    parent: Whole  # index of the passage without its last symbol, in the level before
    symbol: Whole  # the last symbol
    counts: Whole  # how often it came
    shorter: Whole  # index of the passage without its first symbol, in the level before
    share: npt.NDArray[np.float32]  # discounted probability of the last symbol after the others
    worth: npt.NDArray[np.float32]  # nats a symbol that predicting the text would lose without it, or its children


def count(
    ids: npt.NDArray[Any], symbols: int, recipe: str, most_bytes: int = MOST_BYTES, lines: Lines | None = None
) -> Arrays:
    """Count a text (ids, [symbols of the text]), and return its table as a model file holds it.

    `symbols`: size of the vocabulary. `lines`: those of this text, or of a longer one that begins with it; None: no
    passage is a member's own.

    The table is a tree with a node for each passage: first the root (0), then each symbol of the vocabulary (1 to
    `symbols`), then the longer passages, length by length, each in the order of their symbols. Its arrays:
    `ngrams/symbol`, the last symbol of each longer passage, [nodes - 1 - symbols]; `ngrams/share`, in steps, [nodes -
    1]; `ngrams/children`, the number of passages that go on from each, [nodes - 1, less those of the greatest length].
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
    steps = np.rint(np.log(np.maximum(shares, LEAST_SHARE)) / _STEP)
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
    """Return the places of a text's symbols that are counted: all, or evenly spread pieces.

    Passages that reach from one piece into the next are counted as well. They are too few to matter.
    """
    if size <= MOST_COUNTED:
        return np.arange(size)
    each = MOST_COUNTED // _PIECES
    return (np.linspace(0, size - each, _PIECES).astype(np.int64)[:, None] + np.arange(each)).ravel()


def _perplexity(counts: Whole) -> float:
    shares = counts[counts > 0] / counts.sum()
    return math.exp(-float(shares @ np.log(shares)))


class _Owned:
    """Tells which passages `MEMBERS` members have in their lines.

    A line has the passages within it, with its line break and that of the line before. A passage that goes on from one
    line, or from one piece of the text, into the next belongs to no line.
    """

    def __init__(self, places: npt.NDArray[np.int64], lines: Lines, free: int) -> None:
        self._places, self._free = places, free
        self._line = np.searchsorted(lines.ends, places)
        members, numbers = np.unique(lines.authors, return_inverse=True)
        self._members = len(members)
        self._author = numbers[self._line]

    def stand(self, length: int, passages: Whole, counts: Whole) -> npt.NDArray[np.bool_]:
        """Return which passages of one length may stay, [passages of that length].

        `passages`: the one that begins at each place. `counts`: how often each comes.
        """
        if length <= self._free:
            return np.ones(len(counts), bool)
        last = length - 1
        in_a_line = self._line[1 : len(passages) + 1] == self._line[last:]
        in_a_line &= self._places[last:] - self._places[: len(passages)] == last
        in_a_line &= counts[passages] >= MEMBERS
        pairs = np.unique(passages[in_a_line] * self._members + self._author[1 : len(passages) + 1][in_a_line])
        return np.bincount(pairs // self._members, minlength=len(counts)) >= MEMBERS


def _levels(ids: npt.NDArray[np.int64], symbols: int, order: int, owned: _Owned | None) -> list[_Level]:
    """Count all passages of 1 to `order` symbols, and compute their shares and worths."""
    every = np.arange(symbols)
    levels = [_level(np.zeros(symbols, np.int64), every, np.bincount(ids, minlength=symbols), np.zeros_like(every))]
    ranks = ids  # of the passage that begins at each place, within its level
    stand = [np.ones(symbols, bool)]
    for length in range(2, min(order, len(ids)) + 1):
        keys = ranks[:-1] * symbols + ids[len(ids) - len(ranks) + 1 :]
        unique, first, inverse, counts = np.unique(keys, return_index=True, return_inverse=True, return_counts=True)
        level = _level(unique // symbols, unique % symbols, counts, ranks[first + 1])
        levels.append(level)
        ranks = inverse
        stand.append(owned.stand(length, ranks, counts) if owned else np.ones(len(counts), bool))
    _share(levels, stand, len(ids))
    for level, stands in zip(levels, stand, strict=True):
        level.worth[~stands] = -np.inf  # dropped, whatever it is worth
    return levels


def _level(parent: Whole, symbol: Whole, counts: Whole, shorter: Whole) -> _Level:
    parent, symbol, counts, shorter = (array.astype(np.int32) for array in (parent, symbol, counts, shorter))
    size = len(symbol)
    return _Level(parent, symbol, counts, shorter, np.zeros(size, np.float32), np.full(size, np.inf, np.float32))


def _share(levels: list[_Level], stand: list[npt.NDArray[np.bool_]], total: int) -> None:
    """Fill in shares and worths, from the shortest passages to the longest.

    With D the discount of a count and N the sum of all counts after a passage, `share = (count - D) / N`, and `p =
    share + sum(D) / N * p of the passage without its first symbol`. The worth is the text's loss if the share were 0,
    with the probability of the shorter passage in its place. `stand`: for each level, which passages may stay,
    [passages].
    """
    symbols = len(levels[0].symbol)
    above = np.array([total])
    shorter = np.full(symbols, 1 / symbols)  # probability of each passage's last symbol after one symbol less
    for index, level in enumerate(levels):
        # Kneser-Ney: shorter passages count by the number of different symbols before them, not by how often they came.
        # In place of a longer passage that is dropped they predict themselves, so they count by how often it came
        # (Siivola, Hirsimaki & Virpioja 2007).
        longer = levels[index + 1] if level is not levels[-1] else None
        counted = level.counts
        if longer:
            times = np.where(stand[index + 1], 1, longer.counts)
            before = np.bincount(longer.shorter, times, len(level.symbol)).astype(np.int64)
            counted = np.where(level.counts > 0, np.maximum(before, 1), 0)
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
        if longer:
            shorter = probability[longer.shorter]


def _discounts(counts: Whole) -> npt.NDArray[np.float64]:
    """Return the discounts of counts of 0, 1, 2, and 3 or more (Chen & Goodman 1999, equation 26)."""
    n1, n2, n3, n4 = np.maximum(np.bincount(np.minimum(counts, 5), minlength=6)[1:5], 1)
    share = n1 / (n1 + 2 * n2)
    discounts = [0, 1 - 2 * share * n2 / n1, 2 - 3 * share * n3 / n2, 3 - 4 * share * n4 / n3]
    clipped: npt.NDArray[np.float64] = np.clip(discounts, [0, 0.05, 0.1, 0.1], [0, 0.98, 1.9, 2.8])
    return clipped


def _kept(levels: list[_Level], most_bytes: int, symbol_bytes: int) -> list[_Level]:
    """Return the passages of most worth that fit into so many bytes, each with the passages that it begins with."""
    for above, level in reversed(list(itertools.pairwise(levels))):
        np.maximum.at(above.worth, level.parent, level.worth)
    # Bytes of an entry: its symbol, its share, and its number of children.
    most = max(len(levels[0].symbol), most_bytes // (symbol_bytes + 1 + symbol_bytes))
    worths = np.concatenate([level.worth for level in levels])
    least = np.partition(worths, len(worths) - most)[len(worths) - most] if len(worths) > most else -np.inf
    kept: list[_Level] = []
    places = np.zeros(1, np.int64)  # new index of each passage of the level before
    for level in levels:
        stay = (level.worth > least) | (level.worth == np.inf)
        if kept and not stay.any():
            break
        chosen = {name: array[stay] for name, array in vars(level).items()}
        chosen["parent"] = places[chosen["parent"]]
        kept.append(_Level(**chosen))
        places = np.cumsum(stay) - 1
    return kept
