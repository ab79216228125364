"""What a model writes while and after it is trained, and the windows of the corpus that it starts from."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from galvanic.generate import Reader
from galvanic.model_file import MOST_WINDOWS, WINDOW_SYMBOLS
from galvanic.network import Weights
from galvanic.plan import NetworkConfig
from galvanic.sampling import Sampling
from galvanic.streams import Row
from galvanic.text import Prepared
from galvanic.text.classic import pad
from galvanic.text.vocabulary import id_type

SAMPLE_CHARS = 240  # of a sample that is shown
LONG_CHARS = 400  # of a sample that is searched for what is copied from the corpus
SAMPLES = 3
WINDOWS = {"char": 200, "word": 200, "classic": MOST_WINDOWS}  # kept with the model to start a text from
_TEMPERATURE = 0.8


class SampleWriter:
    """Writes samples after windows (ids, [windows, symbols]) of the part to learn from.

    What is written depends on the training's random seed, the weights and the epoch alone, so that a resumed training
    writes the same.
    """

    def __init__(self, prepared: Prepared, network: NetworkConfig, random_seed: int) -> None:
        self._vocabulary = prepared.vocabulary
        self._network = network
        self._random_seed = random_seed
        # The tutorial takes the likeliest character each time.
        self._sampling = Sampling(temperature=0.0 if network.kind == "windows" else _TEMPERATURE)
        self._reader: Reader | None = None
        self.windows = _draw_windows(prepared, WINDOWS[prepared.recipe], np.random.default_rng(random_seed))

    def one(self, weights: Weights, epoch: int) -> str:
        return self._write(weights, 1, SAMPLE_CHARS, epoch)[0]

    def several(self, weights: Weights) -> tuple[str, ...]:
        return self._write(weights, SAMPLES, LONG_CHARS, 0)

    def _write(self, weights: Weights, number: int, chars: int, epoch: int) -> tuple[str, ...]:
        if self._reader is None:
            self._reader = Reader(self._network, weights)
        else:
            self._reader.network.set_weights(weights)

        def enough(ids: npt.NDArray[np.int32]) -> bool:
            return len(ids) >= chars or len(self._vocabulary.decode(ids)) >= chars

        rows: list[Row] = []
        for index in range(number):
            random = np.random.default_rng((self._random_seed, epoch, index))
            seed = self.windows[random.integers(len(self.windows))].astype(np.int32)
            rows.append(Row(seed, self._sampling, random, enough))
        return tuple(self._vocabulary.decode(ids)[:chars] for ids in self._reader.network.write(rows))


def line_start(prepared: Prepared) -> npt.NDArray[Any]:
    """Where a line begins, ids [1, symbols]: kept in the place of windows of a text that no model may quote.

    That is a line break; or a space, for `classic` as many as it reads, which is how it pads a short seed.
    """
    known = {symbol: index for index, symbol in enumerate(prepared.vocabulary.symbols)}
    start = np.array([known.get("\n", known.get(" ", 0))], np.int32)
    return (pad(start[:0]) if prepared.recipe == "classic" else start)[None]


def _draw_windows(prepared: Prepared, number: int, random: np.random.Generator) -> npt.NDArray[Any]:
    ids, symbols = prepared.training, len(prepared.vocabulary)
    length = min(WINDOW_SYMBOLS, len(ids))
    starts = np.unique(random.integers(0, len(ids) - length + 1, number))
    windows: npt.NDArray[Any] = np.asarray(ids[starts[:, None] + np.arange(length)]).astype(id_type(symbols))
    return windows
