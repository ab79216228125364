"""Networks that read a window of fixed length from a zero state for each prediction (the tutorial's)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from galvanic.network import Weights
from galvanic.plan import NetworkConfig
from galvanic.predictor import CHUNK, Predictor, Row, write_rows
from galvanic.request import too_slow
from galvanic.sampling import NEVER, Sampling, new_guard, next_symbol, padded, settings_of
from galvanic.streams import advance_cell
from galvanic.text import Ids

Tensor = Any
# XLA joins the many small operations of drawing; the windows' large products run better on TensorFlow's own threads.
_next_symbol = tf.function(next_symbol, jit_compile=True)


class Windows(Predictor):
    """Writes and reads with such a network.

    All the windows that a character is part of are advanced together, one row each: one large product instead of many
    small ones from each window's beginning.
    """

    def __init__(self, config: NetworkConfig, weights: Weights) -> None:
        self.symbols = config.vocabulary
        self._config = config
        self._weights = {name: tf.constant(weight) for name, weight in weights.items()}

    def _read(self, ids: Ids, until: float) -> npt.NDArray[np.float32]:
        row = Row(ids, Sampling(0.0), np.random.default_rng(0), lambda _: True, until)
        log_probs = self._run(row)[1]
        if row.late:
            raise too_slow()
        return log_probs

    def write(self, rows: Sequence[Row]) -> list[Ids]:
        return [self._run(row)[0] for row in rows]

    def _run(self, row: Row) -> tuple[Ids, npt.NDArray[np.float32]]:
        """What is written, and the log probability of each symbol of the seed after those before it."""
        config, window = self._config, self._config.window
        settings = settings_of([row.sampling])
        states = [tf.zeros((window, units)) for units in config.units for _ in "hc"]
        state = (tf.constant([int(row.seed[0])]), tf.constant(0), tf.constant([-1]), new_guard(1), states)
        log_probs: list[npt.NDArray[np.float32]] = []

        def advance(given: Tensor, uniform: Tensor) -> Ids:
            nonlocal state
            filtered = row.sampling.filtered
            state, ids, logs = _run_chunk(
                window, self.symbols, self._weights, settings, state, given, uniform, filtered
            )
            log_probs.append(logs.numpy())
            chosen: Ids = ids.numpy()[:, None]
            return chosen

        (written,) = write_rows([row], 1, advance)
        return written, np.concatenate([np.zeros(0, np.float32), *log_probs])[: len(row.seed) - 1]


@tf.function  # type: ignore[untyped-decorator]
def _run_chunk(
    window: int,
    vocabulary: int,
    weights: Any,
    settings: Any,
    state: Any,
    given: Tensor,
    uniform: Tensor,
    filtered: bool,
) -> tuple[Any, Tensor, Tensor]:
    """No method: compiled for each shape, not for each model, as TensorFlow never frees a compiled function."""

    def step(t: Tensor, symbol: Tensor, at: Tensor, forbidden: Tensor, guard: Any, states: Any, *out: Any) -> Any:
        states, logits = _advance(window, vocabulary, weights, states, symbol[0], at)
        symbol, forbidden, guard = _next_symbol(
            logits[None], given[t], uniform[t], settings, forbidden, guard, filtered
        )
        log_prob = tf.nn.log_softmax(logits)[symbol[0]]
        written = out[0].write(t, symbol[0]), out[1].write(t, log_prob)
        return t + 1, symbol, at + 1, forbidden, guard, states, *written

    arrays = tf.TensorArray(tf.int32, CHUNK), tf.TensorArray(tf.float32, CHUNK)
    *after, ids, logs = tf.while_loop(lambda t, *_: t < CHUNK, step, (0, *state, *arrays), maximum_iterations=CHUNK)
    return tuple(after[1:]), ids.stack(), logs.stack()


def _advance(
    window: int, vocabulary: int, weights: Any, states: Any, symbol: Tensor, at: Tensor
) -> tuple[list[Tensor], Tensor]:
    x = tf.fill((window, 1), tf.cast(symbol, tf.float32) / vocabulary)
    # The window that begins with this character takes the row of the one that has just been finished.
    others = tf.cast(tf.range(window) != at % window, tf.float32)[:, None]
    after: list[Tensor] = []
    for index in range(len(states) // 2):
        name = f"lstm_{index}/lstm_cell"
        hidden, cell = (part * others for part in states[2 * index : 2 * index + 2])
        z = x @ weights[f"{name}/kernel"] + hidden @ weights[f"{name}/recurrent_kernel"] + weights[f"{name}/bias"]
        x, cell = advance_cell(z, cell)
        after += [x, cell]
    whole = x[(at + 1) % window]
    logits = tf.linalg.matvec(weights["output/kernel"], whole, transpose_a=True) + weights["output/bias"]
    more = padded(vocabulary) - vocabulary
    return after, tf.pad(logits, [[0, more]], constant_values=NEVER)
