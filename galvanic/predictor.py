"""What predicts the next symbol of a text from those before it: to score a text, and to write one symbol by symbol."""

from __future__ import annotations

import math
import os
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from galvanic.request import between_blocks, too_slow
from galvanic.sampling import DRAW, Floats, Sampling
from galvanic.text import Ids

CHUNK = 64  # steps in one call of a writing loop: long enough to hide the call, short enough to waste little


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


class Pass(ABC):
    """Texts that are read and written side by side, one row each; begun with the first symbol of each."""

    @abstractmethod
    def advance(self, given: Ids, uniform: Floats) -> tuple[Ids, Floats]:
        """Read the last symbol of each text and take the next one, so many times: these, and the log probability of
        each before it came, both [steps, rows].

        `given`: [steps, rows], the next symbol, or `DRAW` to draw it by `uniform` [steps, rows] from [0, 1).
        """

    @abstractmethod
    def keep(self, rows: Sequence[int]) -> None:
        """Go on with these rows alone; one that is named several times goes on in several ways."""


class Predictor(ABC):
    """The networks of a model, or of several. Keeps no state between calls, and never changes."""

    symbols: int
    together: ClassVar[int]  # texts in one pass

    @abstractmethod
    def begin(self, first: Sequence[int], samplings: Sequence[Sampling]) -> Pass:
        """Texts that begin with these symbols, after a zero state; `together` at most. What one gets does not depend
        on the others."""

    def read(self, ids: Ids, until: float = math.inf) -> Floats:
        """Log probability of each symbol of a text before it was read, [len(ids)]; the first is as likely as any other.
        Raises UserError where it is not done by `until` (`time.monotonic`)."""
        return self.read_ahead(ids, ids[:0], until)[0] if len(ids) else np.zeros(0, np.float32)

    def read_ahead(self, ids: Ids, following: Ids, until: float = math.inf) -> tuple[Floats, Floats]:
        """As `read`, of one symbol or more; and the log probability of each of `following` behind them,
        [len(following)], `together` at most."""
        reading = self.begin([int(ids[0])], [Sampling(0.0)])
        found = _advance(reading, ids[1:, None], until)[:, 0]
        after = np.zeros(0, np.float32)
        if len(following):
            reading.keep([0] * len(following))
            after = _advance(reading, following[None], until)[0]
        return np.append(np.float32(-math.log(self.symbols)), found), after

    def read_each(self, before: Ids, texts: Sequence[Ids], until: float = math.inf) -> list[Floats]:
        """Log probability of each symbol of several texts, each read behind `before`, which is read once and has one
        symbol or more. Raises as `read`."""
        found: list[Floats] = []
        for start in range(0, len(texts), self.together):
            some = texts[start : start + self.together]
            reading = self.begin([int(before[0])], [Sampling(0.0)])
            _advance(reading, before[1:, None], until)
            reading.keep([0] * len(some))
            given = np.zeros((max(map(len, some)), len(some)), np.int32)
            for row, text in enumerate(some):
                given[: len(text), row] = text
            log_probs = _advance(reading, given, until)
            found += [log_probs[: len(text), row] for row, text in enumerate(some)]
        return found

    def write(self, rows: Sequence[Row]) -> list[Ids]:
        """Continue all seeds, each at least until it is enough or `late`. Seeds and results of a mixture are in its
        ids."""
        batches = [rows[start : start + self.together] for start in range(0, len(rows), self.together)]
        if len(batches) < 2:
            return [text for batch in batches for text in self._write(batch)]
        with ThreadPoolExecutor(min(len(batches), os.cpu_count() or 1), "writing") as threads:
            contexts = [copy_context() for _ in batches]
            written = threads.map(lambda context, batch: context.run(self._write, batch), contexts, batches)
            return [text for texts in written for text in texts]

    def _write(self, rows: Sequence[Row]) -> list[Ids]:
        writing = self.begin([int(row.seed[0]) for row in rows], [row.sampling for row in rows])
        texts = [np.zeros(0, np.int32) for _ in rows]
        going = list(range(len(rows)))
        at = 1
        while True:
            between_blocks.get()()
            late = [rows[index].give_up() for index in going]
            kept = [
                place
                for place, index in enumerate(going)
                if not late[place] and not (len(texts[index]) and rows[index].enough(texts[index]))
            ]
            if not kept:
                return texts
            if len(kept) < len(going):
                writing.keep(kept)
                going = [going[place] for place in kept]
            given = np.full((CHUNK, len(going)), DRAW, np.int32)
            uniform = np.empty((CHUNK, len(going)), np.float32)
            for place, index in enumerate(going):
                part = rows[index].seed[at : at + CHUNK]
                given[: len(part), place] = part
                uniform[:, place] = rows[index].random.random(CHUNK, np.float32)
            ids, _ = writing.advance(given, uniform)
            for place, index in enumerate(going):
                fresh = ids[max(0, len(rows[index].seed) - at) :, place]
                texts[index] = np.concatenate([texts[index], fresh])
            at += CHUNK


def _advance(reading: Pass, given: Ids, until: float) -> Floats:
    """Read what is given, [steps, rows]; the log probability of each before it came. Raises as `Predictor.read`."""
    found = [np.zeros((0, given.shape[1]), np.float32)]
    for start in range(0, len(given), CHUNK):
        between_blocks.get()()
        if time.monotonic() > until:
            raise too_slow()
        part = given[start : start + CHUNK].astype(np.int32)
        found.append(reading.advance(part, np.zeros(part.shape, np.float32))[1])
    return np.concatenate(found)
