"""An n-gram language model, as a table, that predicts beside the LSTM, and the mixture of both.

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
5. Where a text is read and not written, its last symbols predict as well (`galvanic.recent`). That mixture of three has
   weights of its own, [3 powers, 4 features].

Works without TensorFlow.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from galvanic import recent
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
_READING_WEIGHTS = np.array([[0.7, 0.1, 0, 0], [0.1, -0.1, 0.15, -0.1], [0.15, 0, -0.05, 0.1]], np.float32)
"""The same for a text that is read, [u, v and w; constant, certainty of network, table and recent text]: about those of
eight models."""
_BEGINNING = 100  # symbols of the beginning of a text
_LEAST_ENTRY = 3  # bytes of an entry in a file: its symbol, its share and its number of children
_MOST_FITTED = 4_000_000  # probabilities that the weights are fitted to; losses are computed for so many at a time
_MOST_KEPT = 16_000_000  # probabilities of a network that are kept, 64 MB: to predict them again takes longest
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
    reading: Floats  # [models, 3, 4]: as `_READING_WEIGHTS`, for texts that are read; zeros: as texts that are written


class Fit(NamedTuple):
    """A table whose weights are fitted, and losses on the part that they are fitted to, in nats a symbol."""

    companion: Companion
    loss: float  # of the mixture
    table_loss: float  # of the table alone
    network_loss: float  # of the network alone


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
        counted = count(ids, symbols, recipe, lines=lines)
        return cls.of({**counted, PREFIX + "weights": _NEUTRAL, PREFIX + "reading": _READING_WEIGHTS}, symbols)

    @classmethod
    def of(cls, arrays: Arrays, symbols: int) -> Companion:
        """Read the arrays of a model file. Raises ValueError or KeyError if no training leaves such arrays."""
        symbol, share, children, weights = (arrays[PREFIX + n] for n in ("symbol", "share", "children", "weights"))
        reading = arrays.get(PREFIX + "reading")
        _require(len(arrays) == 4 + (reading is not None) and share.dtype == np.uint8)
        for array in (symbol, share, children):
            _require(array.ndim == 1 and array.dtype in (np.uint8, np.uint16, np.int32) and array.min(initial=0) >= 0)
        _require_weights(weights, _NEUTRAL.shape)
        if reading is None:  # a file of 1.0.0, which reads as it writes
            reading = np.zeros(_READING_WEIGHTS.shape, np.float32)
        _require_weights(reading, _READING_WEIGHTS.shape)
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
        rests, root = (1 - sums * scale).astype(np.float32), np.zeros(1, np.int32)
        tables = Tables(first, all_symbols, shares, rests, root, weights[None], reading[None])
        return cls(arrays, tables, order, symbols)

    def fitted(
        self,
        predictions: Callable[[], Predictions],
        number: int,
        ids: npt.NDArray[Any],
        alone: Companion | None = None,
        *,
        some_places: bool = False,
        to_read: bool = False,
    ) -> Fit:
        """Fit the mixture's weights to a part of a text that neither network nor table has learned.

        The loss is convex wherever no power is at its least, so Newton's method finds the best weights. A prior holds
        each weight to `_NEUTRAL`'s: half the square of the distance is added to the sum of all losses in nats.

        Args:
            predictions: gives a network's predictions for places of the text; called twice for all of many places.
            number: of these places, at least one.
            ids: the text, [symbols of the text].
            alone: the table whose own loss is returned; None: this one.
            some_places: compute the losses at evenly spread places, if there are more than `_MOST_KEPT` allows. The
                weights are fitted to such places in any case (`_MOST_FITTED`).
            to_read: fit the weights for texts that are read, too. The losses are those of a text that is written.
        """
        stride = 1 + number * self.symbols // _MOST_FITTED
        kept = 1 + number * self.symbols // _MOST_KEPT
        # Copies: a view would keep all of its part in memory.
        parts = [(log_probs[::kept].copy(), places[::kept].copy()) for log_probs, places in predictions()]
        fitted_to = [(log_probs[:: stride // kept], places[:: stride // kept]) for log_probs, places in parts]
        log_probs, places = (np.concatenate(arrays) for arrays in zip(*fitted_to, strict=True))
        table, targets = self.log_probs(ids, places), np.asarray(ids[places])
        fitted = self._with_weights(_fit_weights((log_probs, table), targets, _NEUTRAL))
        if to_read:
            recent_log_probs = _predict_by_recent(ids, places, self.symbols)
            reading = _fit_weights((log_probs, table, recent_log_probs), targets, _READING_WEIGHTS)
            fitted = fitted._with_weights(fitted.tables.weights[0], reading)
        judged, totals, at_once = 0, np.zeros(3), 1 + _MOST_FITTED // self.symbols
        for all_log_probs, all_places in parts if some_places or kept == 1 else predictions():
            for start in range(0, len(all_places), at_once):
                chosen = slice(start, start + at_once)
                part = all_places[chosen]
                own, network = fitted.log_probs(ids, part), all_log_probs[chosen]
                table_alone = own if alone is None else alone.log_probs(ids, part)
                for index, predicted in enumerate((fitted.mixed(network, own), table_alone, network)):
                    totals[index] -= predicted[np.arange(len(part)), ids[part]].sum(dtype=np.float64)
                judged += len(part)
        return Fit(fitted, *(totals / judged).tolist())

    def alone(self) -> Companion:
        """Return this table with weights by which it predicts alone, beside a network that gives all symbols the same
        probability (`streams.uniform_network`)."""
        return self._with_weights(np.array([[0, 0, 0], [1, 0, 0]], np.float32))

    def _with_weights(self, weights: Floats, reading: Floats | None = None) -> Companion:
        if reading is None:
            reading = self.tables.reading[0]
        return replace(
            self,
            arrays={**self.arrays, PREFIX + "weights": weights, PREFIX + "reading": reading},
            tables=self.tables._replace(weights=weights[None], reading=reading[None]),
        )

    def recounted(self, ids: npt.NDArray[Any], recipe: str, lines: Lines | None = None) -> Companion:
        """Return a table that is counted in another text, with this one's weights."""
        counted = Companion.counted(ids, self.symbols, recipe, lines)
        return counted._with_weights(self.tables.weights[0], self.tables.reading[0])

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
        return _mix_places((log_probs, own), self.tables.weights[0])[0]


NO_TABLE = Tables(
    np.zeros(0, np.int32),
    np.zeros(0, np.int32),
    np.zeros(0, np.float32),
    np.zeros(0, np.float32),
    np.full(1, -1, np.int32),
    np.zeros((1, *_NEUTRAL.shape), np.float32),
    np.zeros((1, *_READING_WEIGHTS.shape), np.float32),
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


def _require_weights(weights: npt.NDArray[Any], shape: tuple[int, ...]) -> None:
    _require(weights.dtype == np.float32 and weights.shape == shape)
    _require(bool((np.abs(weights) <= _MOST_WEIGHT).all()))  # not so of NaN


def _predict_by_recent(ids: npt.NDArray[Any], places: npt.NDArray[np.int64], symbols: int) -> Floats:
    """Predict the symbols at some places of a text by what came before them, from the first of them on.

    Returns log probabilities [places, symbols]. Every fourth place knows only the last few symbols, as at the beginning
    of a text.
    """
    log_probs, begin = np.empty((len(places), symbols), np.float32), int(places.min())
    text = np.asarray(ids[begin : int(places.max()) + 1], np.int32)  # a copy of all of it might not fit in the memory
    ends, rows = places - begin, np.arange(len(places))
    first = np.where(rows % 4, 0, np.maximum(0, ends - rows // 4 % _BEGINNING))
    recent.predict_places(text, first, ends, log_probs)
    return log_probs


def _mix_places(parts: Sequence[Floats], weights: npt.NDArray[Any]) -> tuple[Floats, Any]:
    """Return the mixture's log probabilities [places, symbols], and the derivatives of the powers with respect to their
    weights, [parts, places, features].

    `parts`: log probabilities of the network, the table and, where a text is read, its last symbols, each [places,
    symbols]. `weights`: [parts, features].
    """
    features = np.stack([np.ones(len(parts[0])), *(part.max(1) for part in parts)], 1)
    linear = features @ weights.T
    powers = np.maximum(linear, _LEAST_POWER)
    mixed = powers[:, :1].astype(np.float32) * parts[0]
    for index, part in enumerate(parts[1:], 1):
        mixed += powers[:, index, None].astype(np.float32) * part
    mixed -= mixed.max(1, keepdims=True)
    mixed -= np.log(np.exp(mixed).sum(1, keepdims=True))
    return mixed, features * (linear > _LEAST_POWER).T[:, :, None]


def _fit_weights(parts: Sequence[Floats], targets: npt.NDArray[Any], neutral: Floats) -> Floats:
    """Return the weights by which the mixture predicts the `targets` [places] best, by Newton's method.

    `parts` and weights: as in `_mix_places`. `neutral`: weights to begin with, and to stay near.

    The mixture is a log-linear model. So the loss' first derivatives in the powers are the means of the log
    probabilities under the mixture less those of the target, and its second ones are their covariances. The chain rule
    leads from there to the weights. A step that does not lower the loss is halved, at most ten times.
    """
    rows = np.arange(len(targets))
    of_targets = np.stack([part[rows, targets] for part in parts], 1)

    def compute_loss(weights: npt.NDArray[np.float64]) -> float:
        mixed = _mix_places(parts, weights)[0]
        return -float(mixed[rows, targets].sum(dtype=np.float64)) + 0.5 * float(((weights - neutral) ** 2).sum())

    weights = neutral.astype(np.float64)
    features = weights.shape[1]
    loss = compute_loss(weights)
    for _ in range(_MOST_STEPS if np.isfinite(loss) else 0):
        mixed, slopes = _mix_places(parts, weights)
        probabilities = np.exp(mixed)
        means = np.stack([(probabilities * part).sum(1) for part in parts], 1)
        gradient = np.einsum("pi,ipj->ij", means - of_targets, slopes).ravel() + (weights - neutral).ravel()
        hessian = np.eye(weights.size)
        for i, left in enumerate(parts):
            for j, right in enumerate(parts):
                covariance = (probabilities * left * right).sum(1) - means[:, i] * means[:, j]
                block = slice(features * i, features * (i + 1)), slice(features * j, features * (j + 1))
                hessian[block] += (slopes[i] * covariance[:, None]).T @ slopes[j]
        step = np.linalg.solve(hessian, gradient).reshape(weights.shape)
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
def mix_model(
    tables: Tables, model: int, nodes: Nodes, rings: Nodes, length: int, log_probs: Floats, room: Floats
) -> None:
    """Replace a network's log probabilities [symbols] with those of its mixture with a model's table.

    `nodes`: those of the table, [order]. `rings`: the ring of the last symbols of a text that is read, [1,
    `recent.PLACES`], and the text's `length`; or none of a text that is written. `room`: [at least 3 * symbols], memory
    to work in.
    """
    # In C's order: else the loops below would be slower.
    parts = room[: 3 * len(log_probs)].reshape(3, len(log_probs))
    parts[0] = log_probs
    predict(tables, nodes, parts[1])
    if len(rings):
        recent.predict(rings[0], 0, length, recent.PLACES - 1, parts[2])
        mix(tables.reading[model], parts, log_probs)
    else:
        mix(tables.weights[model], parts[:2], log_probs)


@compiled
def mix(weights: Floats, parts: Floats, mixed: Floats) -> None:
    """Write the mixture of log probabilities `parts` [parts, symbols] into `mixed` [symbols], by `weights` [parts,
    features]. The parts are those of `_mix_places`."""
    sure = np.empty(len(parts), np.float32)
    for part in range(len(parts)):
        sure[part] = parts[part].max()
    for part in range(len(parts) - 1, -1, -1):
        power = weights[part, 0]
        for other in range(len(parts)):
            power += weights[part, other + 1] * sure[other]
        power = max(power, _LEAST_POWER)
        line = parts[part]
        if part == len(parts) - 1:
            for index in range(len(mixed)):
                mixed[index] = power * line[index]
        else:
            for index in range(len(mixed)):
                mixed[index] += power * line[index]
    largest = mixed.max()
    total = np.float32(0)
    for index in range(len(mixed)):
        total += np.exp(mixed[index] - largest)
    off = largest + np.log(total)
    for index in range(len(mixed)):
        mixed[index] -= off


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
