"""The tutorial's networks: for each prediction they read the last 100 characters, from a zero state."""

from collections.abc import Sequence

import numpy as np

from galvanic.companion import NO_TABLE, start_nodes
from galvanic.plan import NetworkConfig, Weights
from galvanic.predictor import NO_PREDICTIONS, Pass, Predictor
from galvanic.sampling import Floats, Sampling, Texts, new_texts, take
from galvanic.streams import NO_RINGS, Networks, pack, predict
from galvanic.text import Ids


class Windows(Predictor):
    """Predicts with such a network."""

    together = 1

    def __init__(self, config: NetworkConfig, weights: Weights) -> None:
        self.symbols = config.vocabulary
        self._window = config.window
        self._network = pack(config, weights)

    def begin(self, first: Sequence[int], samplings: Sequence[Sampling], *, lately: bool = False) -> Pass:  # noqa: ARG002
        return _Pass(self._network, self._window, new_texts(first, samplings))


class _Pass(Pass):
    """A text that is read or written. Each character advances the `window` windows that it belongs to, one row each.

    That makes one large product a character, in place of `window` small ones for each window from its beginning.
    """

    def __init__(self, network: Networks, window: int, texts: Texts) -> None:
        self._network, self._window, self._texts = network, window, texts
        self._nodes = start_nodes(NO_TABLE, window)
        self._at = 0  # characters read
        self._hidden = np.zeros((window, network.units), np.int16)
        self._cells = np.zeros((window, network.units), np.float32)

    def advance(self, given: Ids, uniform: Floats, predictions: Floats = NO_PREDICTIONS) -> tuple[Ids, Floats]:
        ids, log_probs = np.empty(given.shape, np.int32), np.empty(given.shape, np.float32)
        window, symbols = self._window, self._network.ids.shape[1]
        columns = int(self._network.parts[:, 1].max())
        predicted, mixed = np.empty((window, symbols), np.float32), np.empty((window, symbols))
        sums, gates = np.empty((window, columns), np.int32), np.empty(columns, np.float32)
        buffers = mixed, sums, gates, np.empty((window, columns)), np.empty((window, columns), np.float32)
        for step in range(len(given)):
            # The window that begins with this character takes the row of the window that was completed last.
            self._hidden[self._at % window] = self._cells[self._at % window] = 0
            read = np.repeat(self._texts.symbols, window)
            states = self._hidden, self._cells, self._nodes, NO_RINGS, 0
            predict(self._network, NO_TABLE, read, *states, predicted, buffers)
            self._at += 1
            complete = self._at % window  # the row whose window has all its characters now
            if len(predictions):
                predictions[step] = predicted[complete]
            take(self._texts, predicted[complete : complete + 1], given[step], uniform[step])
            ids[step] = self._texts.symbols
            log_probs[step] = predicted[complete, ids[step]]
        return ids, log_probs

    def keep(self, rows: Sequence[int]) -> None:
        """Do nothing: this pass has one row."""
