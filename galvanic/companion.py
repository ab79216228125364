"""What is mixed with a network's predictions: those of a table of n-grams (`galvanic.ngrams`).

`p(symbol)` is proportional to `network ** u * table ** v`. `u` and `v` follow from how sure both are: each is linear in
the log probability of the network's likeliest symbol and of the table's. Their weights are fitted on text that neither
learned from: on what they have learned, both are too sure.

Works without TensorFlow.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from galvanic.compiled import compiled
from galvanic.ngrams import MOST_BYTES, ORDERS, PREFIX, SHARES, Arrays, Lines, count

Floats = npt.NDArray[np.float32]
Nodes = npt.NDArray[np.int32]
Predictions = Iterable[tuple[Floats, npt.NDArray[np.int64]]]
"""Parts of a text: log probabilities [places, symbols], and the places."""
LEAST_REST = 1e-4  # what is left for symbols that never came after a passage, at least
_LEAST_POWER = np.float32(0.01)
_MOST_WEIGHT = 100.0
_NEUTRAL = np.array([[0.3, 0, -0.15], [0.9, 0, 0.2]], np.float32)
"""About what suited small networks of six texts."""
_LEAST_ENTRY = 3  # bytes: a symbol, its share and how many go on from it
_MOST_FITTED = 4_000_000  # numbers; of as many symbols the losses are computed at a time
_MOST_JUDGED = 50_000_000  # numbers, of an epoch: so many take two seconds
_MOST_STEPS = 12  # of Newton's method


class Tables(NamedTuple):
    """Of one model or of several, for compiled code, which checks nothing. Nodes are those of `ngrams.count`, those of
    one model behind those of another, with an empty one after each."""

    first: Nodes  # [nodes]: where the passages that go on from each begin; they end where those of the next begin
    symbol: Nodes  # [nodes]
    share: Floats  # [nodes]
    rest: Floats  # [nodes]: the share of symbols beside those, spread as after a passage without its first symbol
    roots: Nodes  # [models]; -1: it has no table
    weights: Floats  # [models, 2, 3], of u and v: constant, and by the network's and the table's certainty


@dataclass(frozen=True)
class Companion:
    arrays: Arrays  # as they are saved
    tables: Tables
    order: int  # symbols of the longest passage, with the one that it predicts
    symbols: int

    @classmethod
    def counted(cls, ids: npt.NDArray[Any], symbols: int, recipe: str, lines: Lines | None = None) -> Companion:
        """From a text, [symbols of it]; nothing is fitted yet."""
        return cls.of({**count(ids, symbols, recipe, lines=lines), "ngrams/weights": _NEUTRAL}, symbols)

    @classmethod
    def of(cls, arrays: Arrays, symbols: int) -> Companion:
        """From saved arrays, checked. Raises ValueError or KeyError where no training leaves such arrays."""
        symbol, share, children, weights = (arrays[PREFIX + n] for n in ("symbol", "share", "children", "weights"))
        _require(len(arrays) == 4 and share.dtype == np.uint8)
        for array in (symbol, share, children):
            _require(array.ndim == 1 and array.dtype in (np.uint8, np.uint16, np.int32) and array.min(initial=0) >= 0)
        _require(weights.dtype == np.float32 and weights.shape == (2, 3))
        _require(bool((np.abs(weights) <= _MOST_WEIGHT).all()))  # not so of NaN
        nodes = 1 + len(share)
        _require(nodes <= 1 + max(symbols, MOST_BYTES // _LEAST_ENTRY))  # before any of it takes many times its bytes
        _require(len(symbol) == nodes - 1 - symbols and symbols <= nodes and len(children) < nodes)
        _require(bool((symbol < symbols).all()) and nodes < 2**31)
        order, begin, end = 1, 1, 1 + symbols
        numbers = np.zeros(nodes, np.int64)
        numbers[0], numbers[1 : 1 + len(children)] = symbols, children
        while end < nodes:  # from one length to the next
            begin, end, order = end, end + int(numbers[begin:end].sum()), order + 1
            _require(begin < end <= nodes and order <= max(ORDERS.values()))
        _require(not numbers[begin:end].any() and len(children) in (0, begin - 1))
        first = np.ones(nodes + 1, np.int32)
        first[1:] += np.cumsum(numbers)
        every = np.concatenate([[0], np.arange(symbols), symbol, [0]]).astype(np.int32)
        follows = np.ones(nodes + 1, bool)  # its sibling, if not the first of them
        follows[first[:-1][numbers > 0]] = False
        follows[[0, -1]] = False
        _require(bool((np.diff(every, prepend=0)[follows] > 0).all()))
        shares = np.concatenate([np.ones(1, np.float32), SHARES[share], np.ones(1, np.float32)])
        parents = np.repeat(np.arange(nodes), numbers)
        sums = np.bincount(parents, shares[1:-1], minlength=nodes + 1)
        # Where steps of shares add up to more than all.
        scale = np.minimum(1, (1 - LEAST_REST) / np.maximum(sums, 1e-9)).astype(np.float32)
        shares[1:-1] *= scale[parents]
        tables = Tables(
            first, every, shares, (1 - sums * scale).astype(np.float32), np.zeros(1, np.int32), weights[None]
        )
        return cls(arrays, tables, order, symbols)

    def fitted(
        self,
        predictions: Callable[[], Predictions],
        number: int,
        ids: npt.NDArray[Any],
        alone: Companion | None = None,
        *,
        roughly: bool = False,
    ) -> tuple[Companion, float, float]:
        """With weights that suit a text, and the losses there of the mixture and of the table alone, in nats a symbol;
        of the table `alone`, if there is one. `roughly`: the losses at some of the places, if there are many.

        `predictions`: a network's, of so many places of it, at least one; asked twice where there are many. Of all
        these probabilities no more than about `_MOST_FITTED` are looked at for the weights, of places evenly spread.
        The loss is convex where no power is at its least, so that Newton's method finds weights that no small change
        betters; each is held to `_NEUTRAL`'s as if there were another nat to lose by a change of the square root of 2.
        """
        apart = 1 + number * self.symbols // _MOST_FITTED
        # Copies, as a view would keep all of its part.
        parts = [(log_probs[::apart].copy(), places[::apart].copy()) for log_probs, places in predictions()]
        log_probs, places = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
        made = self._with(_fitted(log_probs, self.log_probs(ids, places), np.asarray(ids[places])))
        spread = 1 + number * self.symbols // _MOST_JUDGED if roughly else 1
        judged, totals, most = 0, np.zeros(2), 1 + _MOST_FITTED // self.symbols
        for all_log_probs, all_places in predictions() if apart > 1 else [(log_probs, places)]:
            for start in range(0, len(all_places), most * spread):
                chosen = slice(start, start + most * spread, spread)
                part = all_places[chosen]
                own = made.log_probs(ids, part)
                mixed = made.mixed(all_log_probs[chosen], own)
                for index, found in enumerate((mixed, own if alone is None else alone.log_probs(ids, part))):
                    totals[index] -= found[np.arange(len(part)), ids[part]].sum(dtype=np.float64)
                judged += len(part)
        return made, *(totals / judged).tolist()

    def alone(self) -> Companion:
        """With weights by which the table alone speaks, if the network holds all symbols equally likely."""
        return self._with(np.array([[0, 0, 0], [1, 0, 0]], np.float32))

    def _with(self, weights: Floats) -> Companion:
        return replace(
            self, arrays={**self.arrays, "ngrams/weights": weights}, tables=self.tables._replace(weights=weights[None])
        )

    def recounted(self, ids: npt.NDArray[Any], recipe: str, lines: Lines | None = None) -> Companion:
        """Counted in another text, with these weights."""
        return Companion.counted(ids, self.symbols, recipe, lines)._with(self.tables.weights[0])

    def log_probs(self, ids: npt.NDArray[Any], places: npt.NDArray[np.int64]) -> Floats:
        """Of the symbols at some places of a text, by the table alone: [places, symbols]."""
        found = np.empty((len(places), self.symbols), np.float32)
        starts = np.maximum(places - self.order + 1, 0)
        passages = np.full((len(places), self.order - 1), -1, np.int32)
        for column in range(self.order - 1):
            inside = starts + column < places
            passages[inside, column] = ids[starts[inside] + column]
        _each(self.tables, passages, begun(self.tables, len(places))[:, 0], found)
        return found

    def mixed(self, log_probs: Floats, own: Floats) -> Floats:
        """Log probabilities of a network and of the table mixed, [positions, symbols] all."""
        return _mixed(log_probs, own, self.tables.weights[0])[0]


NO_TABLE = Tables(
    np.zeros(0, np.int32),
    np.zeros(0, np.int32),
    np.zeros(0, np.float32),
    np.zeros(0, np.float32),
    np.full(1, -1, np.int32),
    np.zeros((1, 2, 3), np.float32),
)


def joined(found: Sequence[Tables]) -> Tables:
    """Copies, side by side."""
    before = np.cumsum([0, *(len(tables.first) for tables in found)])[:-1].astype(np.int32)
    moved = [
        tables._replace(first=tables.first + at, roots=np.where(tables.roots < 0, -1, tables.roots + at))
        for tables, at in zip(found, before, strict=True)
    ]
    return Tables._make(map(np.concatenate, zip(*moved, strict=True)))


def begun(tables: Tables, rows: int) -> Nodes:
    """The nodes of texts before they begin, [rows, models, longest order]."""
    nodes = np.full((rows, len(tables.roots), max(ORDERS.values())), -1, np.int32)
    nodes[:, :, 0] = tables.roots
    return nodes


def _require(holds: bool) -> None:
    if not holds:
        raise ValueError("no table of n-grams that a training leaves")


def _mixed(log_probs: Floats, own: Floats, weights: npt.NDArray[Any]) -> tuple[Floats, Any]:
    """The mixture [positions, symbols], and what u and v change by with each of their weights, [2, positions, 3]."""
    features = np.stack([np.ones(len(own)), log_probs.max(1), own.max(1)], 1)
    linear = features @ weights.T
    powers = np.maximum(linear, _LEAST_POWER)
    mixed = powers[:, :1].astype(np.float32) * log_probs + powers[:, 1:].astype(np.float32) * own
    mixed -= mixed.max(1, keepdims=True)
    mixed -= np.log(np.exp(mixed).sum(1, keepdims=True))
    return mixed, features * (linear > _LEAST_POWER).T[:, :, None]


def _fitted(log_probs: Floats, own: Floats, targets: npt.NDArray[Any]) -> Floats:
    rows = np.arange(len(targets))
    came = np.stack([log_probs[rows, targets], own[rows, targets]], 1)

    def loss(weights: npt.NDArray[np.float64]) -> float:
        mixed = _mixed(log_probs, own, weights)[0]
        return -float(mixed[rows, targets].sum(dtype=np.float64)) + 0.5 * float(((weights - _NEUTRAL) ** 2).sum())

    weights = _NEUTRAL.astype(np.float64)
    before = loss(weights)
    for _ in range(_MOST_STEPS if np.isfinite(before) else 0):
        mixed, slopes = _mixed(log_probs, own, weights)
        probabilities = np.exp(mixed)
        means = np.stack([(probabilities * part).sum(1) for part in (log_probs, own)], 1)
        gradient = np.einsum("pi,ipj->ij", means - came, slopes).ravel() + (weights - _NEUTRAL).ravel()
        hessian = np.eye(6)
        for i, one in enumerate((log_probs, own)):
            for j, other in enumerate((log_probs, own)):
                covariance = (probabilities * one * other).sum(1) - means[:, i] * means[:, j]
                hessian[3 * i : 3 * i + 3, 3 * j : 3 * j + 3] += (slopes[i] * covariance[:, None]).T @ slopes[j]
        step = np.linalg.solve(hessian, gradient).reshape(2, 3)
        for _ in range(10):
            found = loss(weights - step)
            if found <= before:
                break
            step /= 2
        else:
            break
        gained, before, weights = before - found, found, weights - step
        if gained < 1e-3:
            break
    return np.clip(weights, -_MOST_WEIGHT, _MOST_WEIGHT).astype(np.float32)


@compiled
def follow(tables: Tables, nodes: Nodes, symbol: int) -> None:
    """Read a symbol: the nodes [order] of the last 0, 1, ... symbols; -1: they never stood in the text."""
    first, symbols = tables.first, tables.symbol
    for length in range(len(nodes) - 1, 0, -1):
        parent = nodes[length - 1]
        nodes[length] = -1
        if parent < 0:
            continue
        low, high = first[parent], first[parent + 1]
        end = high
        while low < high:
            middle = (low + high) // 2
            if symbols[middle] < symbol:
                low = middle + 1
            else:
                high = middle
        if low < end and symbols[low] == symbol:
            nodes[length] = low


@compiled
def predict(tables: Tables, nodes: Nodes, log_probs: Floats) -> None:
    """The table's log probability of each symbol after these nodes [order], into `log_probs` [symbols]."""
    first, symbols = tables.first, tables.symbol
    log_probs[:] = np.float32(1) / np.float32(len(log_probs))
    for node in nodes:
        if node < 0 or first[node] == first[node + 1]:
            continue
        rest = tables.rest[node]
        for index in range(len(log_probs)):
            log_probs[index] *= rest
        for child in range(first[node], first[node + 1]):
            log_probs[symbols[child]] += tables.share[child]
    for index in range(len(log_probs)):
        log_probs[index] = np.log(log_probs[index])


@compiled
def mix(tables: Tables, weights: Floats, nodes: Nodes, log_probs: Floats, own: Floats) -> None:
    """A network's log probabilities [symbols] become those of the mixture, by these weights [2, 3]; `own`: to work in,
    [symbols]."""
    predict(tables, nodes, own)
    network_sure, table_sure = log_probs.max(), own.max()
    u = max(weights[0, 0] + weights[0, 1] * network_sure + weights[0, 2] * table_sure, _LEAST_POWER)
    v = max(weights[1, 0] + weights[1, 1] * network_sure + weights[1, 2] * table_sure, _LEAST_POWER)
    largest = np.float32(-np.inf)
    for index in range(len(own)):
        log_probs[index] = u * log_probs[index] + v * own[index]
        largest = max(largest, log_probs[index])
    total = np.float32(0)
    for index in range(len(own)):
        total += np.exp(log_probs[index] - largest)
    off = largest + np.log(total)
    for index in range(len(own)):
        log_probs[index] -= off


@compiled
def _each(tables: Tables, passages: Nodes, nodes: Nodes, log_probs: Floats) -> None:
    """`log_probs` [passages, symbols] after each passage [passages, symbols of it], which ends at the first -1."""
    for row in range(len(passages)):
        for symbol in passages[row]:
            if symbol < 0:
                break
            follow(tables, nodes[row], symbol)
        predict(tables, nodes[row], log_probs[row])
