"""A table of n-grams that predicts beside the LSTM, and the mixture of both.

A network generalises; a table of counts knows exactly which symbols followed which, from the first second on. After two
minutes of training on a play, the network loses 1.65 nats a character on new text, and the mixture 1.46 (decision 111).

1. `Companion.counted` counts all passages of a text in a table (`galvanic.ngrams`): a tree, each node of which is a
   passage, with the share of its last symbol after the others.
2. `predict` interpolates the shares of all passages that end at a place of a text into the table's probability of each
   symbol. It needs the nodes of the last 0, 1, 2, ... symbols, which `follow` moves on by one symbol.
3. `mix` multiplies powers of both predictions: `p(symbol)` is proportional to `network ** u * table ** v` (a log-linear
   mixture). `u` and `v` are linear in how sure both are: in the log probability of the network's likeliest symbol and
   of the table's. That makes six weights, [2 powers, 3 features].
4. `Companion.fitted` fits these weights to held-out text. On the text that they learned from, both are too sure.

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
"""A network's predictions for a text, in parts: log probabilities [places, symbols], and the places [places]."""
LEAST_REST = 1e-4  # least probability kept for the symbols that never came after a passage
_LEAST_POWER = np.float32(0.01)  # of `u` and `v`
_MOST_WEIGHT = 100.0
_NEUTRAL = np.array([[0.3, 0, -0.15], [0.9, 0, 0.2]], np.float32)
"""Weights before any are fitted, [u and v; constant, network's certainty, table's]: about those of six small models."""
_LEAST_ENTRY = 3  # bytes of an entry in a file: its symbol, its share and its number of children
_MOST_FITTED = 4_000_000  # probabilities that the weights are fitted to; losses are computed for so many at a time
_MOST_JUDGED = 50_000_000  # probabilities that the loss after an epoch is computed from: they take two seconds
_MOST_STEPS = 12  # of Newton's method


class Tables(NamedTuple):
    """The tables of one or several models, for compiled code, which checks nothing.

    The nodes are those of `ngrams.count`. Those of several models lie one behind the other, an empty node after each.
    """

    first: Nodes  # [nodes]: the first child of each; its children end where those of the next node begin
    symbol: Nodes  # [nodes]: the last symbol of the passage
    share: Floats  # [nodes]: probability of that symbol after the others, if it came there
    rest: Floats  # [nodes]: probability left for all other symbols, given by the passage without its first symbol
    roots: Nodes  # [models]: the node of the empty passage; -1: the model has no table
    weights: Floats  # [models, 2, 3]: of `u` and `v`; constant, by the network's and by the table's certainty


@dataclass(frozen=True)
class Companion:
    """A model's table of n-grams, with the weights by which it is mixed with the network."""

    arrays: Arrays  # the form in a model file
    tables: Tables  # the form for compiled code
    order: int  # symbols of the longest passage, its last one included
    symbols: int  # size of the vocabulary

    @classmethod
    def counted(cls, ids: npt.NDArray[Any], symbols: int, recipe: str, lines: Lines | None = None) -> Companion:
        """Count the passages of a text (ids, [symbols of the text]). Its weights are `_NEUTRAL`, until it is fitted."""
        return cls.of({**count(ids, symbols, recipe, lines=lines), "ngrams/weights": _NEUTRAL}, symbols)

    @classmethod
    def of(cls, arrays: Arrays, symbols: int) -> Companion:
        """Read the arrays of a model file. Raises ValueError or KeyError if no training leaves such arrays."""
        symbol, share, children, weights = (arrays[PREFIX + n] for n in ("symbol", "share", "children", "weights"))
        _require(len(arrays) == 4 and share.dtype == np.uint8)
        for array in (symbol, share, children):
            _require(array.ndim == 1 and array.dtype in (np.uint8, np.uint16, np.int32) and array.min(initial=0) >= 0)
        _require(weights.dtype == np.float32 and weights.shape == (2, 3))
        _require(bool((np.abs(weights) <= _MOST_WEIGHT).all()))  # not so of NaN
        nodes = 1 + len(share)
        # Checked before anything is computed that takes many times the bytes of the file.
        _require(nodes <= 1 + max(symbols, MOST_BYTES // _LEAST_ENTRY))
        _require(len(symbol) == nodes - 1 - symbols and symbols <= nodes and len(children) < nodes)
        _require(bool((symbol < symbols).all()) and nodes < 2**31)
        order, begin, end = 1, 1, 1 + symbols  # nodes from `begin` to `end` are passages of `order` symbols
        child_counts = np.zeros(nodes, np.int64)
        child_counts[0], child_counts[1 : 1 + len(children)] = symbols, children
        while end < nodes:
            begin, end, order = end, end + int(child_counts[begin:end].sum()), order + 1
            _require(begin < end <= nodes and order <= max(ORDERS.values()))
        _require(not child_counts[begin:end].any() and len(children) in (0, begin - 1))
        first = np.ones(nodes + 1, np.int32)
        first[1:] += np.cumsum(child_counts)
        all_symbols = np.concatenate([[0], np.arange(symbols), symbol, [0]]).astype(np.int32)
        # Children stand in the order of their symbols, which `follow` relies on.
        after_sibling = np.ones(nodes + 1, bool)
        after_sibling[first[:-1][child_counts > 0]] = False
        after_sibling[[0, -1]] = False
        _require(bool((np.diff(all_symbols, prepend=0)[after_sibling] > 0).all()))
        shares = np.concatenate([np.ones(1, np.float32), SHARES[share], np.ones(1, np.float32)])
        parents = np.repeat(np.arange(nodes), child_counts)
        sums = np.bincount(parents, shares[1:-1], minlength=nodes + 1)
        # Shares are rounded, and may add up to more than 1.
        scale = np.minimum(1, (1 - LEAST_REST) / np.maximum(sums, 1e-9)).astype(np.float32)
        shares[1:-1] *= scale[parents]
        tables = Tables(
            first, all_symbols, shares, (1 - sums * scale).astype(np.float32), np.zeros(1, np.int32), weights[None]
        )
        return cls(arrays, tables, order, symbols)

    def fitted(
        self,
        predictions: Callable[[], Predictions],
        number: int,
        ids: npt.NDArray[Any],
        alone: Companion | None = None,
        *,
        some_places: bool = False,
    ) -> tuple[Companion, float, float]:
        """Fit the mixture's weights to a part of a text that neither network nor table has learned.

        The loss is convex wherever no power is at its least, so Newton's method finds the best weights. A prior holds
        each weight to `_NEUTRAL`'s: half the square of the distance is added to the sum of all losses in nats.

        Args:
            predictions: gives a network's predictions for places of the text; called twice if there are many.
            number: of these places, at least one.
            ids: the text, [symbols of the text].
            alone: the table whose own loss is returned; None: this one.
            some_places: compute the losses at evenly spread places, if there are more than `_MOST_JUDGED` allows. The
                weights are fitted to such places in any case (`_MOST_FITTED`).

        Returns:
            The companion with these weights, the mixture's loss, and the table's own loss, in nats a symbol.
        """
        stride = 1 + number * self.symbols // _MOST_FITTED
        # Copies: a view would keep all of its part in memory.
        parts = [(log_probs[::stride].copy(), places[::stride].copy()) for log_probs, places in predictions()]
        log_probs, places = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
        fitted = self._with_weights(_fit_weights(log_probs, self.log_probs(ids, places), np.asarray(ids[places])))
        spread = 1 + number * self.symbols // _MOST_JUDGED if some_places else 1
        judged, totals, at_once = 0, np.zeros(2), 1 + _MOST_FITTED // self.symbols
        for all_log_probs, all_places in predictions() if stride > 1 else [(log_probs, places)]:
            for start in range(0, len(all_places), at_once * spread):
                chosen = slice(start, start + at_once * spread, spread)
                part = all_places[chosen]
                own = fitted.log_probs(ids, part)
                mixed = fitted.mixed(all_log_probs[chosen], own)
                for index, predicted in enumerate((mixed, own if alone is None else alone.log_probs(ids, part))):
                    totals[index] -= predicted[np.arange(len(part)), ids[part]].sum(dtype=np.float64)
                judged += len(part)
        return fitted, *(totals / judged).tolist()

    def alone(self) -> Companion:
        """Return this table with weights by which it predicts alone, beside a network that gives all symbols the same
        probability (`streams.uniform_network`)."""
        return self._with_weights(np.array([[0, 0, 0], [1, 0, 0]], np.float32))

    def _with_weights(self, weights: Floats) -> Companion:
        return replace(
            self, arrays={**self.arrays, "ngrams/weights": weights}, tables=self.tables._replace(weights=weights[None])
        )

    def recounted(self, ids: npt.NDArray[Any], recipe: str, lines: Lines | None = None) -> Companion:
        """Return a table that is counted in another text, with this one's weights."""
        return Companion.counted(ids, self.symbols, recipe, lines)._with_weights(self.tables.weights[0])

    def log_probs(self, ids: npt.NDArray[Any], places: npt.NDArray[np.int64]) -> Floats:
        """Predict the symbols at some places of a text by the table alone: log probabilities [places, symbols]."""
        log_probs = np.empty((len(places), self.symbols), np.float32)
        starts = np.maximum(places - self.order + 1, 0)
        passages = np.full((len(places), self.order - 1), -1, np.int32)
        for column in range(self.order - 1):
            inside = starts + column < places
            passages[inside, column] = ids[starts[inside] + column]
        _predict_after(self.tables, passages, start_nodes(self.tables, len(places))[:, 0], log_probs)
        return log_probs

    def mixed(self, log_probs: Floats, own: Floats) -> Floats:
        """Mix log probabilities of the network and of the table; all are [places, symbols]."""
        return _mix_places(log_probs, own, self.tables.weights[0])[0]


NO_TABLE = Tables(
    np.zeros(0, np.int32),
    np.zeros(0, np.int32),
    np.zeros(0, np.float32),
    np.zeros(0, np.float32),
    np.full(1, -1, np.int32),
    np.zeros((1, 2, 3), np.float32),
)


def join_tables(models: Sequence[Tables]) -> Tables:
    """Copy the tables of several models into one `Tables`."""
    offsets = np.cumsum([0, *(len(tables.first) for tables in models)])[:-1].astype(np.int32)
    moved = [
        tables._replace(first=tables.first + at, roots=np.where(tables.roots < 0, -1, tables.roots + at))
        for tables, at in zip(models, offsets, strict=True)
    ]
    return Tables._make(map(np.concatenate, zip(*moved, strict=True)))


def start_nodes(tables: Tables, rows: int) -> Nodes:
    """Return the nodes at the beginning of texts, [rows, models, longest order]: that of the empty passage alone."""
    nodes = np.full((rows, len(tables.roots), max(ORDERS.values())), -1, np.int32)
    nodes[:, :, 0] = tables.roots
    return nodes


def _require(holds: bool) -> None:
    if not holds:
        raise ValueError("no table of n-grams that a training leaves")


def _mix_places(log_probs: Floats, own: Floats, weights: npt.NDArray[Any]) -> tuple[Floats, Any]:
    """Return the mixture's log probabilities [places, symbols], and the derivatives of `u` and `v` with respect to
    their weights, [2, places, 3].

    `log_probs`, `own`: the network's and the table's log probabilities, [places, symbols].
    """
    features = np.stack([np.ones(len(own)), log_probs.max(1), own.max(1)], 1)
    linear = features @ weights.T
    powers = np.maximum(linear, _LEAST_POWER)
    mixed = powers[:, :1].astype(np.float32) * log_probs + powers[:, 1:].astype(np.float32) * own
    mixed -= mixed.max(1, keepdims=True)
    mixed -= np.log(np.exp(mixed).sum(1, keepdims=True))
    return mixed, features * (linear > _LEAST_POWER).T[:, :, None]


def _fit_weights(log_probs: Floats, own: Floats, targets: npt.NDArray[Any]) -> Floats:
    """Return the weights [2, 3] by which the mixture predicts the `targets` [places] best, by Newton's method.

    The mixture is a log-linear model. So the loss' first derivatives in `u` and `v` are the means of the log
    probabilities under the mixture less those of the target, and its second ones are their covariances. The chain rule
    leads from there to the weights. A step that does not lower the loss is halved, at most ten times.
    """
    rows = np.arange(len(targets))
    of_targets = np.stack([log_probs[rows, targets], own[rows, targets]], 1)

    def compute_loss(weights: npt.NDArray[np.float64]) -> float:
        mixed = _mix_places(log_probs, own, weights)[0]
        return -float(mixed[rows, targets].sum(dtype=np.float64)) + 0.5 * float(((weights - _NEUTRAL) ** 2).sum())

    weights = _NEUTRAL.astype(np.float64)
    loss = compute_loss(weights)
    for _ in range(_MOST_STEPS if np.isfinite(loss) else 0):
        mixed, slopes = _mix_places(log_probs, own, weights)
        probabilities = np.exp(mixed)
        means = np.stack([(probabilities * part).sum(1) for part in (log_probs, own)], 1)
        gradient = np.einsum("pi,ipj->ij", means - of_targets, slopes).ravel() + (weights - _NEUTRAL).ravel()
        hessian = np.eye(6)
        for i, left in enumerate((log_probs, own)):
            for j, right in enumerate((log_probs, own)):
                covariance = (probabilities * left * right).sum(1) - means[:, i] * means[:, j]
                hessian[3 * i : 3 * i + 3, 3 * j : 3 * j + 3] += (slopes[i] * covariance[:, None]).T @ slopes[j]
        step = np.linalg.solve(hessian, gradient).reshape(2, 3)
        for _ in range(10):
            new_loss = compute_loss(weights - step)
            if new_loss <= loss:
                break
            step /= 2
        else:
            break
        gain, loss, weights = loss - new_loss, new_loss, weights - step
        if gain < 1e-3:
            break
    return np.clip(weights, -_MOST_WEIGHT, _MOST_WEIGHT).astype(np.float32)


@compiled
def follow(tables: Tables, nodes: Nodes, symbol: int) -> None:
    """Read a symbol: move `nodes` [order], those of the last 0, 1, 2, ... symbols, on by it.

    A passage that the table lacks has -1.
    """
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
    """Write the table's log probability of each symbol after these nodes [order] into `log_probs` [symbols].

    From the shortest passage to the longest: `p = share + rest * p of the passage without its first symbol`, which is
    interpolated Kneser-Ney smoothing with shares and rests computed before.
    """
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
    """Replace a network's log probabilities [symbols] with those of its mixture with the table, by `weights` [2, 3].

    `own`: memory for the table's log probabilities, [symbols].
    """
    predict(tables, nodes, own)
    network_best, table_best = log_probs.max(), own.max()
    u = max(weights[0, 0] + weights[0, 1] * network_best + weights[0, 2] * table_best, _LEAST_POWER)
    v = max(weights[1, 0] + weights[1, 1] * network_best + weights[1, 2] * table_best, _LEAST_POWER)
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
def _predict_after(tables: Tables, passages: Nodes, nodes: Nodes, log_probs: Floats) -> None:
    """Predict the next symbol after each of `passages` [passages, length], which end at the first -1.

    `nodes`: [passages, order], those of the beginning of a text. Writes `log_probs`, [passages, symbols].
    """
    for row in range(len(passages)):
        for symbol in passages[row]:
            if symbol < 0:
                break
            follow(tables, nodes[row], symbol)
        predict(tables, nodes[row], log_probs[row])
