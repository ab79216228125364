"""Networks with carried state: writing a batch of texts and reading one, each in a compiled loop.

The loops are compiled once for each shape (network, batch, filtered or not) and shared by all models of that shape:
weights are arguments. The first layer's input product is a table with a row for each symbol, so that a learned
embedding and a one-hot input are the same code.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from galvanic.network import Weights, split_members
from galvanic.plan import NetworkConfig
from galvanic.predictor import CHUNK, Predictor, Row, write_rows
from galvanic.request import too_slow
from galvanic.sampling import NEVER, Sampling, new_guard, next_symbol, padded, settings_of
from galvanic.text import Ids

Tensor = Any
Network = dict[str, Any]
Mixing = tuple[Tensor, tuple[Tensor, ...]]
"""How the predictions of several networks are averaged: their weights [networks], which sum to 1, and for each network
its id of each symbol of the mixture [symbols, padded], -1 for what it lacks."""
READ_CHUNK = 256  # steps in one call of the reading loop; their output products are done at once
BUCKETS = (2, 4, 16)
"""Batches are padded to one of these, and longer ones are cut. In this range the products of a row come out the same to
the last bit whatever the other rows are, for all usual sizes; one row alone, and 32 or more, are summed in another
order. Where they do differ, one draw in about a million falls the other way."""


def _for_loops(config: NetworkConfig, weights: Weights) -> Network:
    """The weights as the loops take them, padded to `padded(config.vocabulary)` symbols."""
    more = padded(config.vocabulary) - config.vocabulary
    kernel, bias = weights["lstm_0/lstm_cell/kernel"], weights["lstm_0/lstm_cell/bias"]
    table = (weights["embedding/embeddings"] @ kernel if config.encoding == "embedding" else kernel) + bias
    names = [f"lstm_{index}/lstm_cell" for index in range(len(config.units))]
    arrays = {
        "table": np.pad(table, ((0, more), (0, 0))),
        "recurrent": [weights[f"{name}/recurrent_kernel"] for name in names],
        "kernels": [weights[f"{name}/kernel"] for name in names[1:]],
        "biases": [weights[f"{name}/bias"] for name in names[1:]],
        "output": np.pad(weights["output/kernel"], ((0, 0), (0, more))),
        "output_bias": np.pad(weights["output/bias"], (0, more), constant_values=NEVER),
    }
    network: Network = tf.nest.map_structure(lambda array: tf.constant(array, tf.float32), arrays)
    return network


class Streams(Predictor):
    """One network, or several whose predictions are averaged."""

    def __init__(self, config: NetworkConfig, weights: Weights) -> None:
        self.symbols = config.vocabulary
        self._networks = [_for_loops(config, own) for own in split_members(config, weights)]
        self._mixing: Mixing | None = None
        if config.members > 1:
            every = np.arange(config.vocabulary, dtype=np.int32)
            self._mixing = _mixing([1 / config.members] * config.members, [every] * config.members)

    @classmethod
    def mixed(cls, parts: Sequence[tuple[Streams, float, Ids]]) -> Streams:
        """Several of them, each with its weight, and its own ids of the mixture's symbols (-1 for what it lacks)."""
        made = cls.__new__(cls)
        made.symbols = len(parts[0][2])
        made._networks = [network for streams, _, _ in parts for network in streams._networks]
        total = sum(weight for _, weight, _ in parts)
        shares = [
            (weight / total / len(streams._networks), ids) for streams, weight, ids in parts for _ in streams._networks
        ]
        made._mixing = _mixing([share for share, _ in shares], [ids for _, ids in shares])
        return made

    def _read(self, ids: Ids, until: float) -> npt.NDArray[np.float32]:
        log_probs = [_read(network, ids, until) for network in self._networks]
        mean: npt.NDArray[np.float32] = np.logaddexp.reduce(log_probs) - np.float32(math.log(len(log_probs)))
        return mean

    def write(self, rows: Sequence[Row]) -> list[Ids]:
        batches = [rows[start : start + BUCKETS[-1]] for start in range(0, len(rows), BUCKETS[-1])]
        return [ids for batch in batches for ids in self._write(batch)]

    def _write(self, rows: Sequence[Row]) -> list[Ids]:
        batch = next(bucket for bucket in BUCKETS if bucket >= len(rows))
        filtered = any(row.sampling.filtered for row in rows)
        settings = settings_of([*(row.sampling for row in rows), *[Sampling(0.0)] * (batch - len(rows))])
        state = {
            "symbol": tf.constant([int(row.seed[0]) for row in rows] + [0] * (batch - len(rows)), tf.int32),
            "forbidden": tf.fill((batch,), -1),
            "guard": new_guard(batch),
            "layers": [_zero_states(network, batch) for network in self._networks],
        }

        def advance(given: Tensor, uniform: Tensor) -> Ids:
            nonlocal state
            state, ids = write_chunk(tuple(self._networks), self._mixing, settings, state, given, uniform, filtered)
            chosen: Ids = ids.numpy()
            return chosen

        return write_rows(rows, batch, advance)


def _mixing(weights: Sequence[float], ids: Sequence[Ids]) -> Mixing:
    more = padded(len(ids[0])) - len(ids[0])
    return tf.constant(weights, tf.float32), tuple(
        tf.constant(np.pad(own, (0, more), constant_values=-1)) for own in ids
    )


@tf.function(jit_compile=True)  # type: ignore[untyped-decorator]
def write_chunk(
    networks: tuple[Network, ...],
    mixing: Mixing | None,
    settings: dict[str, Tensor],
    state: dict[str, Any],
    given: Tensor,
    uniform: Tensor,
    filtered: bool,
) -> tuple[dict[str, Any], Tensor]:
    """Read the present symbol and take the next one, `CHUNK` times: the state after it, and the symbols [CHUNK, batch].

    `state`: present and forbidden symbol [batch], the guard's memory, and for each network hidden and cell states.
    `given`: [CHUNK, batch], the next symbol, or `DRAW` to draw it with `uniform` [CHUNK, batch].
    """

    def step(t: Tensor, symbol: Tensor, forbidden: Tensor, guard: Any, layers: Any, out: Any) -> Any:
        if mixing is None:
            layers = [_advance(networks[0], layers[0], symbol)]
            logits = _logits(networks[0], layers[0][-1][0])
        else:
            weights, maps = mixing
            layers = [
                _advance_known(network, states, tf.gather(ids, symbol))
                for network, states, ids in zip(networks, layers, maps, strict=True)
            ]
            logits = _mixed(networks, layers, weights, maps)
        # Gather, not indexing: XLA wants the place of a slice at compile time, and compiles again for each value.
        now = tf.gather(given, t), tf.gather(uniform, t)
        symbol, forbidden, guard = next_symbol(logits, *now, settings, forbidden, guard, filtered)
        return t + 1, symbol, forbidden, guard, layers, out.write(t, symbol)

    out = tf.TensorArray(tf.int32, CHUNK)
    begin = (0, state["symbol"], state["forbidden"], state["guard"], state["layers"], out)
    loop = tf.while_loop(lambda t, *_: t < CHUNK, step, begin, maximum_iterations=CHUNK)
    _, symbol, forbidden, guard, layers, out = loop
    return {"symbol": symbol, "forbidden": forbidden, "guard": guard, "layers": layers}, out.stack()


def _read(network: Network, ids: Ids, until: float) -> npt.NDArray[np.float32]:
    states = _zero_states(network, 1)
    steps = len(ids) - 1
    log_probs = np.zeros(-(-steps // READ_CHUNK) * READ_CHUNK, np.float32)
    for start in range(0, steps, READ_CHUNK):
        if time.monotonic() > until:
            raise too_slow()
        part = np.zeros(READ_CHUNK + 1, np.int32)
        here = ids[start : start + READ_CHUNK + 1]
        part[: len(here)] = here
        states, found = read_chunk(network, states, tf.constant(part))
        log_probs[start : start + READ_CHUNK] = found.numpy()
    return log_probs[:steps]


@tf.function(jit_compile=True)  # type: ignore[untyped-decorator]
def read_chunk(network: Network, states: Any, ids: Tensor) -> tuple[Any, Tensor]:
    """The states after it, and the log probability [READ_CHUNK] of `ids[1:]`, each after those before it.

    `states`: hidden and cell state of each layer, [1, units]; `ids`: [READ_CHUNK + 1]. Only what is recurrent is
    computed step by step.
    """
    inputs = tf.gather(network["table"], ids[:-1])
    after: list[tuple[Tensor, Tensor]] = []
    for index, recurrent in enumerate(network["recurrent"]):
        if index:
            inputs = inputs @ network["kernels"][index - 1] + network["biases"][index - 1]
        hidden, last = _read_layer(inputs, states[index], recurrent)
        inputs = hidden
        after.append(last)
    log_probs = tf.nn.log_softmax(_logits(network, inputs))
    return after, tf.gather(log_probs, ids[1:], batch_dims=1)


def _read_layer(inputs: Tensor, state: Any, recurrent: Tensor) -> tuple[Tensor, Any]:
    """Hidden states [READ_CHUNK, units] from input products [READ_CHUNK, 4 units], and the last state."""

    def step(t: Tensor, hidden: Tensor, cell: Tensor, out: Any) -> Any:
        hidden, cell = advance_cell(tf.gather(inputs, t)[None] + hidden @ recurrent, cell)
        return t + 1, hidden, cell, out.write(t, hidden[0])

    begin = (0, *state, tf.TensorArray(tf.float32, READ_CHUNK))
    _, hidden, cell, out = tf.while_loop(lambda t, *_: t < READ_CHUNK, step, begin, maximum_iterations=READ_CHUNK)
    return out.stack(), (hidden, cell)


def _zero_states(network: Network, batch: int) -> list[tuple[Tensor, Tensor]]:
    sizes = [recurrent.shape[0] for recurrent in network["recurrent"]]
    return [(tf.zeros((batch, units)), tf.zeros((batch, units))) for units in sizes]


def _advance(network: Network, states: Any, symbol: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Hidden and cell state of each layer after reading one symbol in each row."""
    z = tf.gather(network["table"], symbol)
    after: list[tuple[Tensor, Tensor]] = []
    for index, recurrent in enumerate(network["recurrent"]):
        hidden, cell = states[index]
        if index:
            z = after[-1][0] @ network["kernels"][index - 1] + network["biases"][index - 1]
        after.append(advance_cell(z + hidden @ recurrent, cell))
    return after


def advance_cell(z: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
    """An LSTM cell's hidden and cell state from its gates' inputs, ordered i, f, g, o as in Keras."""
    i, f, g, o = tf.split(z, 4, axis=1)
    cell = tf.sigmoid(f) * cell + tf.sigmoid(i) * tf.tanh(g)
    return tf.sigmoid(o) * tf.tanh(cell), cell


def _logits(network: Network, hidden: Tensor) -> Tensor:
    return hidden @ network["output"] + network["output_bias"]


def _advance_known(network: Network, states: Any, ids: Tensor) -> list[tuple[Tensor, Tensor]]:
    """As `_advance`, but rows whose symbol the network lacks (-1) stay as they are."""
    known = (ids >= 0)[:, None]
    after = _advance(network, states, tf.maximum(ids, 0))
    chosen: list[tuple[Tensor, Tensor]] = tf.nest.map_structure(
        lambda new, old: tf.where(known, new, old), after, list(states)
    )
    return chosen


def _mixed(networks: Sequence[Network], layers: Any, weights: Tensor, maps: Sequence[Tensor]) -> Tensor:
    """Log of the weighted mean of the networks' probabilities, over the symbols of the mixture."""
    total: Tensor = 0.0
    for index, (network, states, ids) in enumerate(zip(networks, layers, maps, strict=True)):
        probabilities = tf.nn.softmax(_logits(network, states[-1][0]))
        # The last symbol is padding and has no probability.
        place = tf.where(ids >= 0, ids, int(probabilities.shape[1]) - 1)
        total += weights[index] * tf.gather(probabilities, place, axis=1)
    return tf.where(total > 0, tf.math.log(total), NEVER)
