"""Reading and writing character by character, in one compiled loop.

One loop serves seeds, samples and scores: at each step the next character is either given or drawn from the
distribution that the network has just predicted, its log probability is noted, and the network reads it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from worker.model.network import Weights
from worker.model.plan import NetworkConfig

Tensor = Any
CHUNK = 64
"""Steps in one call of the compiled loop: long enough to hide the call, short enough to waste little."""
_DRAW = -1


class Reader:
    """The state of a network that reads a text, and its prediction of what comes next.

    `streams` carries its LSTM states along. `windows` reads the last `window` characters from a zero state each
    time; rather than reading every window from its beginning, all the windows that a character is part of are
    advanced together, one row each: the same sums, as one large product instead of many small ones.

    Args:
        config: the network's settings.
        weights: its weights, by name.
    """

    def __init__(self, config: NetworkConfig, weights: Weights) -> None:
        self._config = config
        self._rows = max(1, config.window)
        self.set_weights(weights)
        read = self._read_windows if config.kind == "windows" else self._read_streams

        # Gather, not indexing: XLA wants the place of a slice at compile time, and compiles again for each value.
        def chunk(weights: Any, state: Any, given: Tensor, noise: Tensor, temperature: Tensor) -> Any:
            def step(i: Tensor, state: Any, ids: Any, log_probs: Any) -> Any:
                logits = state[0]
                drawn = tf.argmax(logits + temperature * noise[i], output_type=tf.int32)
                chosen = tf.where(given[i] >= 0, given[i], drawn)
                log_probs = log_probs.write(i, tf.gather(tf.nn.log_softmax(logits), chosen))
                return i + 1, read(weights, state, chosen), ids.write(i, chosen), log_probs

            arrays = tf.TensorArray(tf.int32, CHUNK), tf.TensorArray(tf.float32, CHUNK)
            loop = tf.while_loop(lambda i, *_: i < CHUNK, step, (0, state, *arrays), maximum_iterations=CHUNK)
            _, state, ids, log_probs = loop
            return state, ids.stack(), log_probs.stack()

        # XLA removes the per-operation cost that dominates at batch 1; the windows' large products run better on
        # TensorFlow's own threads.
        self._chunk = tf.function(chunk, jit_compile=config.kind == "streams")
        self.reset()

    def set_weights(self, weights: Weights) -> None:
        """Use other weights of the same shapes; nothing is compiled again."""
        self._weights = {name: tf.constant(weight) for name, weight in weights.items()}

    def reset(self) -> None:
        """Forget what was read; every character is as likely as any other."""
        states = [tf.zeros((self._rows, units)) for units in self._config.units for _ in range(2)]
        self._state = [tf.zeros((self._config.vocabulary,)), tf.constant(0), *states]

    def read(self, ids: npt.NDArray[np.int32]) -> npt.NDArray[np.float32]:
        """Read a text and forget nothing of it until `reset`; log probability of each character before it was read.

        A text is to be read in one call: the loop runs in whole chunks, so the state is of use to a later call only
        when the length is a multiple of `CHUNK`.
        """
        return self._run(ids, 0, 0.0, np.random.default_rng(0))[1][: len(ids)]

    def write(
        self, seed: npt.NDArray[np.int32], length: int, temperature: float, random: np.random.Generator
    ) -> npt.NDArray[np.int32]:
        """Read the seed from the beginning and write `length` characters after it; at temperature 0 the likeliest."""
        self.reset()
        return self._run(seed, length, temperature, random)[0][len(seed) : len(seed) + length]

    def _run(
        self, given: npt.NDArray[np.int32], length: int, temperature: float, random: np.random.Generator
    ) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]]:
        total = len(given) + length
        ids = np.full(-(-total // CHUNK) * CHUNK, _DRAW, np.int32)
        ids[: len(given)] = given
        log_probs = np.zeros(len(ids), np.float32)
        no_noise = np.zeros((CHUNK, self._config.vocabulary), np.float32)
        for start in range(0, len(ids), CHUNK):
            part = slice(start, start + CHUNK)
            # Adding Gumbel noise and taking the largest draws from the softmax (Gumbel 1954). The noise comes from
            # numpy, so that a random seed gives the same text on every device.
            noise = (
                random.gumbel(size=no_noise.shape).astype(np.float32)
                if temperature > 0 and start + CHUNK > len(given)
                else no_noise
            )
            self._state, out, logs = self._chunk(
                self._weights,
                self._state,
                tf.constant(ids[part]),
                tf.constant(noise),
                tf.constant(temperature, tf.float32),
            )
            ids[part], log_probs[part] = out.numpy(), logs.numpy()
        return ids, log_probs

    def _read_streams(self, weights: Any, state: Any, chosen: Tensor) -> Any:
        x = tf.gather(weights["embedding/embeddings"], chosen)[None]
        states = self._layers(weights, state[2:], x)
        return [self._predict(weights, states[-2][0]), state[1] + 1, *states]

    def _read_windows(self, weights: Any, state: Any, chosen: Tensor) -> Any:
        position = state[1]
        x = tf.fill((self._rows, 1), tf.cast(chosen, tf.float32) / self._config.vocabulary)
        # The window that begins with this character takes the row of the one that has just been finished.
        others = tf.cast(tf.range(self._rows) != position % self._rows, tf.float32)[:, None]
        states = self._layers(weights, [part * others for part in state[2:]], x)
        return [self._predict(weights, states[-2][(position + 1) % self._rows]), state[1] + 1, *states]

    def _layers(self, weights: Any, states: list[Tensor], x: Tensor) -> list[Tensor]:
        after: list[Tensor] = []
        for index in range(len(self._config.units)):
            name = f"lstm_{index}/lstm_cell"
            hidden, cell = states[2 * index], states[2 * index + 1]
            z = x @ weights[f"{name}/kernel"] + hidden @ weights[f"{name}/recurrent_kernel"] + weights[f"{name}/bias"]
            i, f, g, o = tf.split(z, 4, axis=1)
            cell = tf.sigmoid(f) * cell + tf.sigmoid(i) * tf.tanh(g)
            x = tf.sigmoid(o) * tf.tanh(cell)
            after += [x, cell]
        return after

    def _predict(self, weights: Any, hidden: Tensor) -> Tensor:
        return tf.linalg.matvec(weights["output/kernel"], hidden, transpose_a=True) + weights["output/bias"]
