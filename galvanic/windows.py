"""Networks that read a window of fixed length from a zero state for each prediction (the tutorial's)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from galvanic.compiled import compiled
from galvanic.kernels import advance_cell, log_softmax
from galvanic.plan import NetworkConfig, Weights
from galvanic.predictor import Floats, Pass, Predictor
from galvanic.sampling import Sampling, new_texts, take
from galvanic.text import Ids


class Windows(Predictor):
    """Writes and reads with such a network."""

    together = 1

    def __init__(self, config: NetworkConfig, weights: Weights) -> None:
        self.symbols = config.vocabulary
        self._window = config.window
        names = [f"lstm_{index}/lstm_cell" for index in range(len(config.units))]
        self._layers = [
            (
                np.concatenate([weights[f"{name}/kernel"], weights[f"{name}/recurrent_kernel"]]),
                weights[f"{name}/bias"],
            )
            for name in names
        ]
        self._output = weights["output/kernel"], weights["output/bias"]

    def begin(self, first: Sequence[int], samplings: Sequence[Sampling]) -> Pass:
        return _Pass(self.symbols, self._window, self._layers, self._output, first, samplings)


class _Pass(Pass):
    """All the windows that a character is part of are advanced together, one row each: one large product instead of
    many small ones from each window's beginning."""

    def __init__(
        self,
        symbols: int,
        window: int,
        layers: list[tuple[Floats, Floats]],
        output: tuple[Floats, Floats],
        first: Sequence[int],
        samplings: Sequence[Sampling],
    ) -> None:
        self._symbols, self._window = symbols, window
        self._layers, self._output = layers, output
        self._texts = new_texts(first, samplings)
        self._at = 0  # characters read
        widths = [len(bias) // 4 for _, bias in layers]
        # What a layer multiplies: the output of the layer below, and its own.
        self._inputs = [
            np.zeros((window, below + units), np.float32) for below, units in zip([1, *widths], widths, strict=False)
        ]
        self._cells = [np.zeros((window, units), np.float32) for units in widths]

    def advance(self, given: Ids, uniform: Floats) -> tuple[Ids, Floats]:
        ids, log_probs = np.empty(given.shape, np.int32), np.empty(given.shape, np.float32)
        for step in range(len(given)):
            predicted = self._predict(int(self._texts.symbols[0]))
            take(self._texts, predicted, given[step], uniform[step])
            ids[step] = self._texts.symbols
            log_probs[step] = predicted[0, ids[step]]
        return ids, log_probs

    def keep(self, rows: Sequence[int]) -> None:
        """There is one."""

    def _predict(self, symbol: int) -> Floats:
        # The window that begins with this character takes the row of the one that has just been finished.
        begins = self._at % self._window
        self._at += 1
        below: Floats | float = symbol / self._symbols
        for (matrix, bias), inputs, cells in zip(self._layers, self._inputs, self._cells, strict=True):
            units = cells.shape[1]
            inputs[:, :-units] = below
            inputs[begins, -units:] = cells[begins] = 0
            gates = inputs @ matrix
            _advance_cells(gates, bias, cells)
            inputs[:, -units:] = below = gates[:, :units]
        kernel, bias = self._output
        assert not isinstance(below, float)
        logits: Floats = below[self._at % self._window] @ kernel + bias
        log_softmax(logits)
        return logits[None]


@compiled
def _advance_cells(gates: Floats, bias: Floats, cells: Floats) -> None:
    for row in range(len(gates)):
        for index in range(len(bias)):
            gates[row, index] += bias[index]
        advance_cell(gates[row], cells[row])
