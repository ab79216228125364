"""A network that reads and writes, whatever its kind."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from galvanic import streams
from galvanic.network import Weights, split_members
from galvanic.plan import NetworkConfig
from galvanic.sampling import Sampling
from galvanic.streams import Ids, Row
from galvanic.windows import Windows


class Reader:
    """Reads and writes symbols with the weights of a network. Keeps no state between calls.

    Args:
        config: the network's settings.
        weights: its weights, by name.
    """

    def __init__(self, config: NetworkConfig, weights: Weights) -> None:
        self.config = config
        self.networks: list[streams.Network] = []
        self._mix = streams.even_mix(config) if config.members > 1 else None
        self._windows: Windows | None = None
        self.set_weights(weights)

    def set_weights(self, weights: Weights) -> None:
        """Use other weights of the same shapes; nothing is compiled again."""
        if self.config.kind == "streams":
            self.networks = [streams.prepare(self.config, own) for own in split_members(self.config, weights)]
        elif self._windows is None:
            self._windows = Windows(self.config, weights)
        else:
            self._windows.set_weights(weights)

    def read(self, ids: Ids, until: float = math.inf) -> npt.NDArray[np.float32]:
        """Log probability of each symbol of a text before it was read, shape [len(ids)]; the first has nothing
        before it and is as likely as any other.

        Raises:
            UserError: it was not done until then (`time.monotonic`).
        """
        if not len(ids):
            return np.zeros(0, np.float32)
        ids = ids.astype(np.int32, copy=False)
        rest = self._windows.read(ids, until) if self._windows else self._read(ids, until)
        return np.concatenate([np.full(1, -math.log(self.config.vocabulary), np.float32), rest])

    def write(self, seed: Ids, symbols: int, sampling: Sampling, random: np.random.Generator) -> Ids:
        """Read the seed, which must not be empty, and write so many symbols after it."""
        return self.write_batch([Row(seed, sampling, random, lambda ids: len(ids) >= symbols)])[0][:symbols]

    def write_batch(self, rows: Sequence[Row]) -> list[Ids]:
        """Continue all seeds; each as it would be continued alone, and at least as far as is enough, or `late`."""
        if self._windows:
            return [self._windows.write(row) for row in rows]
        return streams.write(self.networks, rows, self._mix)

    def _read(self, ids: Ids, until: float) -> npt.NDArray[np.float32]:
        log_probs = [streams.read(network, ids, until) for network in self.networks]
        mean: npt.NDArray[np.float32] = np.logaddexp.reduce(log_probs) - np.float32(math.log(len(log_probs)))
        return mean
