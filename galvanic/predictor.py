"""What predicts the next symbol of a text from those before it: to score a text, and to write one symbol by symbol."""

from __future__ import annotations

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from galvanic.sampling import Sampling
from galvanic.text import Ids

Tensor = Any
CHUNK = 64  # steps in one call of a writing loop: long enough to hide the call, short enough to waste little
DRAW = -1  # in the place of a symbol that is not given


@dataclass
class Row:
    """A text to be written."""

    seed: Ids  # ids to read first, at least one
    sampling: Sampling
    random: np.random.Generator
    enough: Callable[[Ids], bool]  # whether the ids written so far will do; asked after every chunk
    until: float = math.inf  # it is given up at this time (`time.monotonic`), which is looked at before every chunk
    late: bool = False  # it was given up

    def give_up(self) -> bool:
        self.late = self.late or time.monotonic() > self.until
        return self.late


class Predictor(ABC):
    """The networks of a model, or of several. Keeps no state between calls."""

    symbols: int

    def read(self, ids: Ids, until: float = math.inf) -> npt.NDArray[np.float32]:
        """Log probability of each symbol of a text before it was read, [len(ids)]; the first is as likely as any other.
        Raises UserError where it is not done by `until` (`time.monotonic`)."""
        if not len(ids):
            return np.zeros(0, np.float32)
        rest = self._read(ids.astype(np.int32, copy=False), until)
        return np.concatenate([np.full(1, -math.log(self.symbols), np.float32), rest])

    @abstractmethod
    def _read(self, ids: Ids, until: float) -> npt.NDArray[np.float32]:
        """As `read`, of each symbol after those before it: [len(ids) - 1], from a zero state."""

    @abstractmethod
    def write(self, rows: Sequence[Row]) -> list[Ids]:
        """Continue all seeds, each at least until it is enough or `late`; what one gets does not depend on the others.
        Seeds and results of a mixture are in its ids."""


def write_rows(rows: Sequence[Row], batch: int, advance: Callable[[Tensor, Tensor], Ids]) -> list[Ids]:
    """Continue the seeds of so many rows, `batch` at most.

    `advance`: takes the next symbols, [CHUNK, batch], from those that are given, [CHUNK, batch], or `DRAW` for those to
    be drawn with the numbers beside them, [CHUNK, batch] from [0, 1).
    """
    texts = [np.zeros(0, np.int32) for _ in rows]
    done = [False] * len(rows)
    at = 1
    while True:
        done = [over or row.give_up() for over, row in zip(done, rows, strict=True)]
        if all(done):
            return texts
        given = np.full((CHUNK, batch), DRAW, np.int32)
        uniform = np.zeros((CHUNK, batch), np.float32)
        for index, row in enumerate(rows):
            part = row.seed[at : at + CHUNK]
            given[: len(part), index] = part
            uniform[:, index] = row.random.random(CHUNK, np.float32)
        ids = advance(tf.constant(given), tf.constant(uniform))
        for index, row in enumerate(rows):
            fresh = ids[max(0, len(row.seed) - at) :, index]
            if not done[index] and len(fresh):
                texts[index] = np.concatenate([texts[index], fresh])
                done[index] = row.enough(texts[index])
        at += CHUNK
