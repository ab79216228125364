"""The interface of all networks that score and write texts, and the loops over a text that they share.

A `Predictor` has the weights and no state. Its `begin` returns a `Pass`, which holds the states of up to `together`
texts, one row each, and advances them symbol by symbol. Scoring (`read`) gives all symbols; writing (`write`) gives
those of the seeds and samples the rest. Texts beyond one pass are written in threads.
"""

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

CHUNK = 64  # steps in one call of a pass: enough to hide the cost of the call, few enough to waste little at the end
NO_PREDICTIONS: Floats = np.empty((0, 0, 0), np.float32)  # where nobody wants the probabilities of all symbols


@dataclass
class Row:
    """A text to be written."""

    seed: Ids  # ids to continue, at least one
    sampling: Sampling
    random: np.random.Generator
    enough: Callable[[Ids], bool]  # whether the ids written so far are enough; asked after every chunk
    until: float = math.inf  # the deadline (`time.monotonic`), checked before every chunk
    late: bool = False  # the deadline passed before it was enough

    def ends(self, ids: Ids) -> bool:
        """Return whether to write no more after these ids: it is late, or they are enough."""
        self.late = time.monotonic() > self.until
        return self.late or (len(ids) > 0 and self.enough(ids))


class Pass(ABC):
    """The states of texts that are read and written side by side, one row each. Each begins with one symbol."""

    @abstractmethod
    def advance(self, given: Ids, uniform: Floats, predictions: Floats = NO_PREDICTIONS) -> tuple[Ids, Floats]:
        """Read the last symbol of each text and take the next one, for each step.

        Returns the symbols taken and the log probability of each before it came, both [steps, rows]. `given`: [steps,
        rows], the next symbols, with `DRAW` where one is to be sampled. `uniform`: [steps, rows], random numbers from
        [0, 1) to sample by. `predictions`: [steps, rows, symbols], to be written: the log probabilities of all symbols.
        """

    @abstractmethod
    def keep(self, rows: Sequence[int]) -> None:
        """Keep these rows alone, in this order. A row that is named several times is copied."""


class Predictor(ABC):
    """The networks of one or several models. It never changes, so threads may share it."""

    symbols: int  # size of the vocabulary
    together: ClassVar[int]  # most texts in one pass

    @abstractmethod
    def begin(self, first: Sequence[int], samplings: Sequence[Sampling], *, lately: bool = False) -> Pass:
        """Begin texts with these symbols, from a zero state; `together` texts at most.

        A text gets the same symbols whatever other texts are in its pass. `lately`: whether the last symbols of a text
        predict as well (`galvanic.recent`), if one model with a table reads it. It is for texts that are given as a
        whole.
        """

    def begin_with(self, ids: Ids) -> Pass:
        """Begin a text, and read these symbols of it, one or more."""
        reading = self.begin([int(ids[0])], [Sampling(0.0)])
        reading.advance(ids[1:, None], np.zeros((len(ids) - 1, 1), np.float32))
        return reading

    def read(self, ids: Ids, until: float = math.inf, *, lately: bool = False) -> Floats:
        """Return the log probability of each symbol of a text before it was read, [len(ids)].

        The first symbol is as likely as any other. `lately`: as in `begin`. Raises UserError if it is not done by
        `until` (`time.monotonic`).
        """
        return self.read_ahead(ids, (), until, lately=lately)[0] if len(ids) else np.zeros(0, np.float32)

    def read_ahead(
        self, ids: Ids, texts: Sequence[Ids], until: float = math.inf, *, lately: bool = False
    ) -> tuple[Floats, list[Floats]]:
        """Read a text of one symbol or more, as `read`, and each of several texts after it.

        Returns the log probabilities of its symbols [len(ids)], and of each text's symbols [len(text)]. `ids` is read
        once for `together` texts.
        """
        following: list[Floats] = []
        for start in range(0, max(1, len(texts)), self.together):
            some = texts[start : start + self.together]
            reading = self.begin([int(ids[0])], [Sampling(0.0)], lately=lately)
            log_probs = _read(reading, ids[1:, None], until)[:, 0]
            reading.keep([0] * len(some))
            padded = np.zeros((max(map(len, some), default=0), len(some)), np.int32)
            for row, text in enumerate(some):
                padded[: len(text), row] = text
            after = _read(reading, padded, until)
            following += [after[: len(text), row] for row, text in enumerate(some)]
        return np.append(np.float32(-math.log(self.symbols)), log_probs), following

    def write(self, rows: Sequence[Row]) -> list[Ids]:
        """Continue all seeds, each until it is `enough` or `late`; the last chunk may write more than that."""
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
            kept = [place for place, index in enumerate(going) if not rows[index].ends(texts[index])]
            if not kept:
                return texts
            if len(kept) < len(going):
                writing.keep(kept)
                going = [going[place] for place in kept]
            symbols = np.full((CHUNK, len(going)), DRAW, np.int32)
            uniform = np.empty((CHUNK, len(going)), np.float32)
            for place, index in enumerate(going):
                part = rows[index].seed[at : at + CHUNK]
                symbols[: len(part), place] = part
                uniform[:, place] = rows[index].random.random(CHUNK, np.float32)
            ids, _ = writing.advance(symbols, uniform)
            for place, index in enumerate(going):
                written = ids[max(0, len(rows[index].seed) - at) :, place]  # without the seed
                texts[index] = np.concatenate([texts[index], written])
            at += CHUNK


def _read(reading: Pass, symbols: Ids, until: float) -> Floats:
    """Advance by these symbols [steps, rows], and return the log probability of each before it came, [steps, rows].

    Raises UserError as `Predictor.read`.
    """
    log_probs = [np.zeros((0, symbols.shape[1]), np.float32)]
    for start in range(0, len(symbols), CHUNK):
        between_blocks.get()()
        if time.monotonic() > until:
            raise too_slow()
        part = symbols[start : start + CHUNK].astype(np.int32)
        log_probs.append(reading.advance(part, np.zeros(part.shape, np.float32))[1])
    return np.concatenate(log_probs)
