"""Networks with carried state: each symbol is read once.

All that is computed is in flat arrays of fixed types, so that one compiled loop serves every network, and several of
them at once. The first layer's input product is a table with a row for each symbol, so that a learned embedding and a
one-hot input are the same code. Weights are whole numbers of 16 bits (`galvanic.kernels`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from galvanic.companion import NO_TABLE, Companion, Nodes, Tables, begun, follow, joined, mix
from galvanic.compiled import compiled
from galvanic.kernels import LANES, STEPS, advance_cell, log_softmax, multiply, quantised
from galvanic.plan import NetworkConfig, Weights, split_members
from galvanic.predictor import Pass, Predictor
from galvanic.sampling import NEVER, Floats, Sampling, Texts, new_texts, take
from galvanic.text import Ids

FIRST, FURTHER, OUTPUT = range(3)  # kinds of a part: the first layer of a network, one above it, its output


class Part(NamedTuple):
    """A matrix of a network, and what is added to its product."""

    kind: int
    columns: int
    inputs: int
    first: int  # of the inputs among all hidden units; those of a layer and of the one below it lie side by side
    weights: int  # where it begins in `Networks.weights`
    scales: int  # in `Networks.scales`
    table: int  # in `Networks.tables`; of a first layer a row for each symbol


class Networks(NamedTuple):
    """Of one predictor, for the compiled loop."""

    parts: npt.NDArray[np.int64]  # [parts, fields of `Part`], in the order in which they are computed
    weights: npt.NDArray[np.int16]
    scales: Floats
    tables: Floats
    shares: npt.NDArray[np.float64]  # [networks], of the mixture; they sum to 1
    models: npt.NDArray[np.int64]  # [networks]: which one's it is; those of a model lie side by side
    ids: npt.NDArray[np.int32]  # [networks, symbols]: of each symbol of the mixture; -1: the network lacks it
    units: int  # of all layers of all networks


def packed(config: NetworkConfig, weights: Weights) -> Networks:
    """One network; its layers, and its symbols, are padded to a multiple of `LANES`."""
    parts: list[Part] = []
    steps: list[npt.NDArray[np.int16]] = []
    scales: list[Floats] = []
    tables: list[Floats] = []

    def add(kind: int, first: int, matrix: Floats, table: Floats) -> None:
        columns, scale = quantised(matrix)
        begin = [sum(len(part) for part in array) for array in (steps, scales, tables)]
        parts.append(Part(kind, len(columns), columns.shape[1], first, *begin))
        steps.append(columns.ravel())
        scales.append(scale)
        tables.append(table.ravel())

    end = below = 0  # units before this layer, and of the one below it
    for index, units in enumerate(config.units):
        kernel, recurrent, bias = (
            _by_gates(weights[f"lstm_{index}/lstm_cell/{name}"]) for name in ("kernel", "recurrent_kernel", "bias")
        )
        if index:
            matrix, table = np.concatenate([_padded(kernel, 0), _padded(recurrent, 0)]), bias
        else:
            if config.encoding == "embedding":
                embedded = weights["embedding/embeddings"] @ kernel
            else:
                embedded = kernel * (np.arange(config.vocabulary)[:, None] / config.vocabulary if config.window else 1)
            matrix, table = _padded(recurrent, 0), (embedded + bias).astype(np.float32)
        add(FURTHER if index else FIRST, end - below, matrix, table)
        below = units + -units % LANES
        end += below
    output = _padded(_padded(weights["output/kernel"], 0), 1)
    add(OUTPUT, end - below, output, _padded(weights["output/bias"], 0, NEVER))
    return Networks(
        np.array(parts, np.int64),
        np.concatenate(steps),
        np.concatenate(scales),
        np.concatenate(tables),
        np.ones(1),
        np.zeros(1, np.int64),
        np.arange(config.vocabulary, dtype=np.int32)[None],
        end,
    )


def _padded(array: npt.NDArray[np.float32], axis: int, value: float = 0.0) -> Floats:
    widths = [(0, -array.shape[axis] % LANES if at == axis else 0) for at in range(array.ndim)]
    return np.pad(array, widths, constant_values=value)


def _by_gates(array: Floats) -> Floats:
    """The columns of the four gates, each padded."""
    return np.concatenate([_padded(gate, array.ndim - 1) for gate in np.split(array, 4, -1)], -1)


def _joined(parts: Sequence[tuple[Networks, float, Ids]]) -> Networks:
    """Networks side by side, each with its share of all, and its own symbols' ids of those of all, -1 for what it
    lacks."""
    tables: list[npt.NDArray[np.int64]] = []
    before = np.zeros(len(Part._fields), np.int64)
    for networks, _, _ in parts:
        tables.append(networks.parts + before)
        sizes = {"weights": len(networks.weights), "scales": len(networks.scales), "table": len(networks.tables)}
        before += [{**sizes, "first": networks.units}.get(field, 0) for field in Part._fields]
    return Networks(
        np.concatenate(tables),
        np.concatenate([networks.weights for networks, _, _ in parts]),
        np.concatenate([networks.scales for networks, _, _ in parts]),
        np.concatenate([networks.tables for networks, _, _ in parts]),
        np.concatenate([share * networks.shares for networks, share, _ in parts]),
        np.repeat(np.arange(len(parts)), [len(networks.shares) for networks, _, _ in parts]),
        # In C's order, however they were picked: for another one the loop would be compiled anew.
        np.ascontiguousarray(
            np.concatenate([np.where(ids >= 0, networks.ids[:, ids], -1) for networks, _, ids in parts]), np.int32
        ),
        sum(networks.units for networks, _, _ in parts),
    )


class Streams(Predictor):
    """One network, or several whose predictions are averaged, each with or without a companion; or several of these
    models, averaged likewise."""

    together = 16

    def __init__(self, networks: Networks, tables: Tables) -> None:
        self.symbols = networks.ids.shape[1]
        self._networks, self._tables = networks, tables

    @classmethod
    def of(cls, config: NetworkConfig, weights: Weights, companion: Companion | None = None) -> Streams:
        members = [packed(config, own) for own in split_members(config, weights)]
        every = np.arange(config.vocabulary, dtype=np.int32)
        networks = _joined([(member, 1 / len(members), every) for member in members])
        tables = companion.tables if companion else NO_TABLE
        return cls(networks._replace(models=np.zeros(len(members), np.int64)), tables)

    @classmethod
    def mixed(cls, parts: Sequence[tuple[Streams, float, Ids]]) -> Streams:
        """Several of them, each with its weight, and its own ids of the mixture's symbols (-1 for what it lacks)."""
        total = sum(weight for _, weight, _ in parts)
        networks = _joined([(streams._networks, weight / total, ids) for streams, weight, ids in parts])
        return cls(networks, joined([streams._tables for streams, _, _ in parts]))

    def begin(self, first: Sequence[int], samplings: Sequence[Sampling]) -> Pass:
        return _Pass(self._networks, self._tables, new_texts(first, samplings))


def nothing(symbols: int) -> tuple[NetworkConfig, Weights]:
    """A network that holds each symbol equally likely."""
    config = NetworkConfig(kind="streams", vocabulary=symbols, embedding=1, units=(1,))
    return config, {name: np.zeros(shape, np.float32) for name, shape in config.shapes().items()}


def compile_loop() -> None:
    """Have all that writing needs compiled, or fetched from the disk, so that no text waits for it."""
    Streams.of(*nothing(1)).read(np.zeros(2, np.int32))


class _Pass(Pass):
    def __init__(self, networks: Networks, tables: Tables, texts: Texts) -> None:
        self._networks, self._tables = networks, tables
        self._texts = texts
        self._nodes = begun(tables, len(texts.symbols))
        shape = (len(texts.symbols), networks.units)
        self._hidden, self._cells = np.zeros(shape, np.int16), np.zeros(shape, np.float32)

    def advance(self, given: Ids, uniform: Floats) -> tuple[Ids, Floats]:
        ids, log_probs = np.empty(given.shape, np.int32), np.empty(given.shape, np.float32)
        state = self._texts, self._hidden, self._cells, self._nodes
        advance(self._networks, self._tables, *state, given, uniform, ids, log_probs)
        return ids, log_probs

    def keep(self, rows: Sequence[int]) -> None:
        self._texts = self._texts.keep(rows)
        self._hidden, self._cells, self._nodes = self._hidden[rows], self._cells[rows], self._nodes[rows]


@compiled
def advance(
    networks: Networks,
    tables: Tables,
    texts: Texts,
    hidden: npt.NDArray[np.int16],
    cells: Floats,
    nodes: Nodes,
    given: Ids,
    uniform: Floats,
    ids: Ids,
    log_probs: Floats,
) -> None:
    """As `Pass.advance`, into `ids` and `log_probs`. `hidden`, `cells`: [rows, units]; `nodes`: as `begun` makes
    them."""
    rows, symbols = len(texts.symbols), networks.ids.shape[1]
    predicted = np.empty((rows, symbols), np.float32)
    mixed = np.empty((rows, symbols), np.float64)
    columns = networks.parts[:, 1].max()
    sums, gates = np.empty((rows, columns), np.int32), np.empty(columns, np.float32)
    mean, lines = np.empty((rows, columns), np.float64), np.empty((rows, columns), np.float32)
    for step in range(len(given)):
        room = (mixed, sums, gates, mean, lines)
        predict(networks, tables, texts.symbols, hidden, cells, nodes, predicted, room)
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
    predicted: Floats,
    room: tuple[npt.NDArray[np.float64], npt.NDArray[np.int32], Floats, npt.NDArray[np.float64], Floats],
) -> None:
    """Read a symbol in each row, and predict the log probabilities [rows, symbols] of the next one.

    A model that lacks the symbol stays as it is. `room`: to work in.
    """
    mixed, sums, gates, mean, lines = room
    network, alone, several = 0, len(networks.shares) == 1, networks.models[-1] > 0
    share = 0.0  # of the model's networks so far
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
            # Slices, as an index that might be negative keeps a loop from being vectorised.
            line, scale = sums[row, :columns], networks.scales[scales : scales + columns]
            base = networks.tables[added : added + columns]
            for index in range(columns):
                gates[index] = base[index] + np.float32(line[index]) * scale[index]
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
                after = hidden[row, end - units : end]
                for index in range(units):
                    # Counted from 0, as whole numbers are made by cutting off.
                    steps = gates[index] * np.float32(STEPS) + np.float32(STEPS + 0.5)
                    after[index] = np.int16(np.int32(steps) - STEPS)
        if kind != OUTPUT:
            continue
        share += networks.shares[network]
        network += 1
        if network < len(networks.shares) and networks.models[network] == model:
            continue
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
                mix(tables, tables.weights[model], nodes[row, model], lines[row, :size], gates[:size])
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
