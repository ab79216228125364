"""LSTMs that read a text with carried state: each symbol is read once, and the next one is predicted.

One compiled function, `advance`, scores and writes texts with any network: one LSTM, several members that are averaged
(an ensemble), each model's table of n-grams, and mixtures of models. For each step and each text (a row) it

1. multiplies the layer's and the lower layer's hidden units with the weights, and adds the input's part. In the first
   layer that part depends on the symbol alone, so it is a table with a row for each symbol;
2. advances the LSTM cells, layer by layer, and computes the output's log probabilities;
3. averages the members' probabilities, mixes them with the table and, in a text that is read, with its last symbols
   (`galvanic.companion`), and averages the models';
4. takes the next symbol: one that is given, or one that is sampled (`galvanic.sampling`).

Numba compiles a function anew for each combination of argument types. So everything that differs between networks is
data: `Networks` holds all weights in a few flat arrays, and a table of `Part`s says where each matrix lies in them.
Weights and hidden units are 16-bit integers (`galvanic.kernels`); layers are padded to a multiple of `LANES`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from galvanic import recent
from galvanic.companion import (
    NO_TABLE,
    Companion,
    Nodes,
    Tables,
    follow,
    join_tables,
    mix_model,
    start_nodes,
)
from galvanic.compiled import compiled
from galvanic.kernels import LANES, STEPS, advance_cell, log_softmax, multiply, quantised
from galvanic.plan import NetworkConfig, Weights, split_members
from galvanic.predictor import NO_PREDICTIONS, Pass, Predictor
from galvanic.sampling import NEVER, Floats, Sampling, Texts, new_texts, take
from galvanic.text import Ids

NO_RINGS: Ids = np.empty((0, recent.PLACES), np.int32)  # of texts whose last symbols predict nothing
FIRST, FURTHER, OUTPUT = range(3)  # kinds of a part: a network's first LSTM layer, a layer above it, the output layer


class Part(NamedTuple):
    """A layer of a network: the shape of its matrix, and where its numbers begin in the arrays of `Networks`."""

    kind: int
    columns: int
    inputs: int
    first: int  # its first input among all hidden units; a layer's own units follow those of the layer below
    weights: int  # in `Networks.weights`, [columns, inputs]
    scales: int  # in `Networks.scales`, [columns]
    table: int  # in `Networks.tables`: the bias [columns]; in a first layer [symbols, columns], with the input's part


class Networks(NamedTuple):
    """All networks of a predictor, as the compiled loop needs them."""

    parts: npt.NDArray[np.int64]  # [parts, fields of `Part`], in the order in which they are computed
    weights: npt.NDArray[np.int16]
    scales: Floats
    tables: Floats
    shares: npt.NDArray[np.float64]  # [networks]: each one's share of the average; they sum to 1
    models: npt.NDArray[np.int64]  # [networks]: the number of its model; the networks of a model lie side by side
    ids: npt.NDArray[np.int32]  # [networks, symbols]: the network's id of each symbol of the mixture; -1: it lacks it
    units: int  # hidden units of all layers of all networks


def pack(config: NetworkConfig, weights: Weights) -> Networks:
    """Turn the weights of one network, as Keras names them, into `Networks`."""
    parts: list[Part] = []
    all_columns: list[npt.NDArray[np.int16]] = []
    all_scales: list[Floats] = []
    tables: list[Floats] = []

    def add(kind: int, first: int, matrix: Floats, table: Floats) -> None:
        columns, scales = quantised(matrix)
        begin = [sum(len(array) for array in arrays) for arrays in (all_columns, all_scales, tables)]
        parts.append(Part(kind, len(columns), columns.shape[1], first, *begin))
        all_columns.append(columns.ravel())
        all_scales.append(scales)
        tables.append(table.ravel())

    end = below = 0  # units before this layer, and in the layer below it
    for index, units in enumerate(config.units):
        kernel, recurrent, bias = (
            _pad_gates(weights[f"lstm_{index}/lstm_cell/{name}"]) for name in ("kernel", "recurrent_kernel", "bias")
        )
        if index:
            matrix, table = np.concatenate([_pad(kernel, 0), _pad(recurrent, 0)]), bias
        else:
            if config.embedding:
                embedded = weights["embedding/embeddings"] @ kernel
            else:
                embedded = kernel * (np.arange(config.vocabulary)[:, None] / config.vocabulary)
            matrix, table = _pad(recurrent, 0), (embedded + bias).astype(np.float32)
        add(FURTHER if index else FIRST, end - below, matrix, table)
        below = units + -units % LANES
        end += below
    output = _pad(_pad(weights["output/kernel"], 0), 1)
    add(OUTPUT, end - below, output, _pad(weights["output/bias"], 0, NEVER))
    return Networks(
        np.array(parts, np.int64),
        np.concatenate(all_columns),
        np.concatenate(all_scales),
        np.concatenate(tables),
        np.ones(1),
        np.zeros(1, np.int64),
        np.arange(config.vocabulary, dtype=np.int32)[None],
        end,
    )


def _pad(array: npt.NDArray[np.float32], axis: int, value: float = 0.0) -> Floats:
    """Pad an axis to a multiple of `LANES`."""
    widths = [(0, -array.shape[axis] % LANES if at == axis else 0) for at in range(array.ndim)]
    return np.pad(array, widths, constant_values=value)


def _pad_gates(array: Floats) -> Floats:
    """Pad the columns of each of the four gates, [..., 4 * units]."""
    return np.concatenate([_pad(gate, array.ndim - 1) for gate in np.split(array, 4, -1)], -1)


def _join(models: Sequence[tuple[Networks, float, Ids]]) -> Networks:
    """Copy several models into one `Networks`. Each comes with its weight in the mixture, and with its own id of
    each symbol of the mixture, or -1 if it lacks the symbol."""
    parts: list[npt.NDArray[np.int64]] = []
    offset = np.zeros(len(Part._fields), np.int64)
    for networks, _, _ in models:
        parts.append(networks.parts + offset)
        sizes = {"weights": len(networks.weights), "scales": len(networks.scales), "table": len(networks.tables)}
        offset += [{**sizes, "first": networks.units}.get(field, 0) for field in Part._fields]
    return Networks(
        np.concatenate(parts),
        np.concatenate([networks.weights for networks, _, _ in models]),
        np.concatenate([networks.scales for networks, _, _ in models]),
        np.concatenate([networks.tables for networks, _, _ in models]),
        np.concatenate([share * networks.shares for networks, share, _ in models]),
        np.repeat(np.arange(len(models)), [len(networks.shares) for networks, _, _ in models]),
        # In C's order, or Numba would compile the loop anew for another type of array.
        np.ascontiguousarray(
            np.concatenate([np.where(ids >= 0, networks.ids[:, ids], -1) for networks, _, ids in models]), np.int32
        ),
        sum(networks.units for networks, _, _ in models),
    )


class Streams(Predictor):
    """Predicts with a model, which is one network or an average of several, with or without a table of n-grams; or with
    the average of several such models."""

    together = 16  # rows in one pass

    def __init__(self, networks: Networks, tables: Tables) -> None:
        self.symbols = networks.ids.shape[1]
        self.networks, self._tables = networks, tables

    @classmethod
    def of(cls, config: NetworkConfig, weights: Weights, companion: Companion | None = None) -> Streams:
        """Make the predictor of one model."""
        members = [pack(config, own) for own in split_members(config, weights)]
        all_ids = np.arange(config.vocabulary, dtype=np.int32)
        networks = _join([(member, 1 / len(members), all_ids) for member in members])
        tables = companion.tables if companion else NO_TABLE
        return cls(networks._replace(models=np.zeros(len(members), np.int64)), tables)

    @classmethod
    def mixed(cls, models: Sequence[tuple[Streams, float, Ids]]) -> Streams:
        """Make the predictor of several models. Each comes with its weight, and with its id of each symbol of the
        mixture (-1 if it lacks the symbol)."""
        total = sum(weight for _, weight, _ in models)
        networks = _join([(streams.networks, weight / total, ids) for streams, weight, ids in models])
        return cls(networks, join_tables([streams._tables for streams, _, _ in models]))

    def begin(self, first: Sequence[int], samplings: Sequence[Sampling], *, lately: bool = False) -> Pass:
        # A ring holds the ids of the mixture, and each of several models would need its own.
        votes = lately and len(self._tables.roots) == 1 and bool(self._tables.reading.any())
        return _Pass(self.networks, self._tables, new_texts(first, samplings), lately=votes)


def uniform_network(symbols: int) -> tuple[NetworkConfig, Weights]:
    """Return a network that gives each symbol the same probability."""
    config = NetworkConfig(kind="streams", vocabulary=symbols, embedding=1, units=(1,))
    return config, {name: np.zeros(shape, np.float32) for name, shape in config.shapes().items()}


def compile_loop() -> None:
    """Compile all functions that writing needs, or load them from the disk, so that no text waits for it."""
    Streams.of(*uniform_network(1)).read(np.zeros(2, np.int32))


class _Pass(Pass):
    """Texts read and written with carried state: hidden units in integer steps, cells, the tables' nodes, and rings of
    the last symbols."""

    def __init__(self, networks: Networks, tables: Tables, texts: Texts, *, lately: bool) -> None:
        self._networks, self._tables = networks, tables
        self._texts = texts
        self._nodes = start_nodes(tables, len(texts.symbols))
        self._rings = np.empty((len(texts.symbols), recent.PLACES), np.int32) if lately else NO_RINGS
        self._length = 0  # symbols read
        shape = (len(texts.symbols), networks.units)
        self._hidden, self._cells = np.zeros(shape, np.int16), np.zeros(shape, np.float32)

    def advance(self, given: Ids, uniform: Floats, predictions: Floats = NO_PREDICTIONS) -> tuple[Ids, Floats]:
        ids, log_probs = np.empty(given.shape, np.int32), np.empty(given.shape, np.float32)
        state = self._texts, self._hidden, self._cells, self._nodes, self._rings, self._length
        advance(self._networks, self._tables, *state, given, uniform, ids, log_probs, predictions)
        self._length += len(given)
        return ids, log_probs

    def keep(self, rows: Sequence[int]) -> None:
        self._texts = self._texts.keep(rows)
        self._hidden, self._cells, self._nodes = self._hidden[rows], self._cells[rows], self._nodes[rows]
        if len(self._rings):
            self._rings = self._rings[rows]


@compiled
def advance(
    networks: Networks,
    tables: Tables,
    texts: Texts,
    hidden: npt.NDArray[np.int16],
    cells: Floats,
    nodes: Nodes,
    rings: Ids,
    length: int,
    given: Ids,
    uniform: Floats,
    ids: Ids,
    log_probs: Floats,
    predictions: Floats,
) -> None:
    """Read and predict a symbol in each row, so many times: `Pass.advance`, compiled.

    `given`, `uniform`: [steps, rows], as there. `ids`, `log_probs`: [steps, rows], to be written: the symbols taken,
    and their log probabilities before they came. `predictions`: [steps, rows, symbols], to be written; or empty.
    `hidden` and `cells` [rows, units], `nodes` (`companion.start_nodes`) and `rings` (of the last symbols, [rows,
    `recent.PLACES`], or empty) are the rows' states, which are moved on. `length`: symbols that each text had before.
    """
    rows, symbols = len(texts.symbols), networks.ids.shape[1]
    predicted = np.empty((rows, symbols), np.float32)
    mixed = np.empty((rows, symbols), np.float64)
    columns = networks.parts[:, 1].max()
    sums, gates = np.empty((rows, columns), np.int32), np.empty(columns, np.float32)
    mean, lines = np.empty((rows, columns), np.float64), np.empty((rows, columns), np.float32)
    for step in range(len(given)):
        buffers = (mixed, sums, gates, mean, lines)
        if len(rings):
            rings[:, (length + step) % recent.PLACES] = texts.symbols
        states = (hidden, cells, nodes, rings, length + step + 1)
        predict(networks, tables, texts.symbols, *states, predicted, buffers)
        if len(predictions):
            predictions[step] = predicted
        take(texts, predicted, given[step], uniform[step])
        for row in range(rows):
            ids[step, row] = texts.symbols[row]
            log_probs[step, row] = predicted[row, texts.symbols[row]]


@compiled
def predict(
    networks: Networks,
    tables: Tables,
    read: Ids,
    hidden: npt.NDArray[np.int16],
    cells: Floats,
    nodes: Nodes,
    rings: Ids,
    length: int,
    predicted: Floats,
    buffers: tuple[npt.NDArray[np.float64], npt.NDArray[np.int32], Floats, npt.NDArray[np.float64], Floats],
) -> None:
    """Read the symbol `read` [rows] in each row, and write the log probabilities [rows, symbols] of the next one into
    `predicted`.

    A network that lacks the symbol keeps its state, as if the symbol had not come. `rings`: the last symbols of each
    text, this one included; empty if they predict nothing. `length`: symbols of each text. `buffers`: memory to work
    in.
    """
    # mixed: [rows, symbols], probabilities of all models. sums: [rows, columns], integer products. gates: [columns].
    # mean: [rows, columns], probabilities of a model's networks. lines: [rows, columns], a model's log probabilities.
    mixed, sums, gates, mean, lines = buffers
    room = np.empty(3 * len(gates), np.float32)
    network, alone, several = 0, len(networks.shares) == 1, networks.models[-1] > 0
    share = 0.0  # of the model's networks up to this one
    mixed[:] = 0
    mean[:] = 0
    for part in networks.parts:
        kind, columns, inputs, first, weights, scales, table = part
        multiply(networks.weights[weights : weights + columns * inputs], columns, inputs, hidden, first, sums)
        own, model = networks.ids[network], networks.models[network]
        for row in range(len(read)):
            added = table + (own[read[row]] * columns if kind == FIRST else 0)
            if kind != OUTPUT and own[read[row]] < 0:
                continue
            # Slices: LLVM does not vectorise a loop whose index might be negative.
            products, scale = sums[row, :columns], networks.scales[scales : scales + columns]
            base = networks.tables[added : added + columns]
            for index in range(columns):
                gates[index] = base[index] + np.float32(products[index]) * scale[index]
            if kind == OUTPUT:
                log_softmax(gates[:columns])
                if alone:
                    lines[row, :columns] = gates[:columns]
                else:
                    for index in range(columns):
                        mean[row, index] += networks.shares[network] * np.exp(np.float64(gates[index]))
            else:
                units = columns // 4
                end = first + inputs
                advance_cell(gates[:columns], cells[row, end - units : end])
                outputs = hidden[row, end - units : end]
                for index in range(units):
                    # Rounded: a conversion to integers cuts off, so the number is made positive first.
                    steps = gates[index] * np.float32(STEPS) + np.float32(STEPS + 0.5)
                    outputs[index] = np.int16(np.int32(steps) - STEPS)
        if kind != OUTPUT:
            continue
        share += networks.shares[network]
        network += 1
        if network < len(networks.shares) and networks.models[network] == model:
            continue
        # The last network of a model: what its networks say together.
        size = own.max() + 1
        for row in range(len(read)):
            if not alone:
                for index in range(size):
                    total = mean[row, index]
                    lines[row, index] = np.log(total / share) if total > 0 else NEVER
                    mean[row, index] = 0
            if tables.roots[model] >= 0:
                if own[read[row]] >= 0:
                    follow(tables, nodes[row, model], own[read[row]])
                ring = rings[row : row + 1]
                mix_model(tables, model, nodes[row, model], ring, length, lines[row, :size], room)
            for symbol in range(len(own)):
                if own[symbol] < 0:
                    if not several:
                        predicted[row, symbol] = NEVER
                elif several:
                    mixed[row, symbol] += share * np.exp(np.float64(lines[row, own[symbol]]))
                else:
                    predicted[row, symbol] = lines[row, own[symbol]]
        share = 0.0
    if several:
        for row in range(len(read)):
            for symbol in range(len(predicted[row])):
                total = mixed[row, symbol]
                predicted[row, symbol] = np.log(total) if total > 0 else NEVER
