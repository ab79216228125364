"""What a single model and a mixture have in common when they write."""

from __future__ import annotations

import secrets
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from galvanic.errors import UserError
from galvanic.lines import draw_line
from galvanic.options import RecipeName, StopAt
from galvanic.request import WriteRequest, cut, too_slow
from galvanic.results import Generation
from galvanic.sampling import Sampling
from galvanic.streams import Ids, Row
from galvanic.text import Seed, Vocabulary

DEFAULT_TEMPERATURE = {"char": 0.8, "word": 0.8, "classic": 0.0}
"""`classic` takes the likeliest character each time, as the tutorial does."""
UNGUARDED = {"classic"}
"""Recipes whose loops are not broken unless asked: those of `classic` are what the tutorial shows."""
_NOTHING_KEPT = "The model keeps none of the messages that it learned from, so it begins where a line begins."
_MOST_SYMBOLS = 4
"""To a character asked for, so that no text goes on for ever."""
_MOST_SEED = 1_000
"""Characters of the corpus that an answer carries as its beginning."""


@dataclass
class _Begun:
    request: WriteRequest
    row: Row
    seed: str
    random_seed: int
    notes: tuple[str, ...]
    open_end: bool


class Author(ABC):
    """Continues seeds."""

    vocabulary: Vocabulary
    recipe: RecipeName

    def generate(
        self,
        seed: str,
        length: int,
        temperature: float | None = None,
        random_seed: int | None = None,
        from_corpus: bool = False,
        *,
        top_k: int | None = None,
        top_p: float | None = None,
        min_p: float | None = None,
        guard: bool | None = None,
        stop: StopAt | None = None,
    ) -> Generation:
        """Continue a seed; the arguments are those of `WriteRequest`.

        Raises:
            UserError: nothing of the seed can be used, or a number is out of range.
        """
        request = WriteRequest(
            seed, length, temperature, random_seed, from_corpus, top_k, top_p, min_p, guard=guard, stop=stop
        )
        (written,) = self.generate_batch([request])
        if isinstance(written, UserError):
            raise written
        return written

    def generate_batch(self, requests: Sequence[WriteRequest]) -> list[Generation | UserError]:
        """Continue several seeds in one pass. Each gets the text that it would get alone, or its own error."""
        started = time.monotonic()
        begun = [self._begin(request) for request in requests]
        texts = iter(self._write([one.row for one in begun if isinstance(one, _Begun)]))
        return [one if isinstance(one, UserError) else self._finish(one, next(texts), started) for one in begun]

    @abstractmethod
    def _read_seed(self, seed: str) -> Seed:
        """A seed as ids, never empty.

        Raises:
            UserError: nothing of it can be used.
        """

    @abstractmethod
    def _draw_window(self, random: np.random.Generator) -> Ids:
        """Ids of a random window of the corpus."""

    @abstractmethod
    def _write(self, rows: Sequence[Row]) -> list[Ids]:
        """Continue each row's seed at least until it is enough."""

    def _begin(self, request: WriteRequest) -> _Begun | UserError:
        if time.monotonic() > request.until:  # before anything is read for it
            return too_slow()
        random_seed = secrets.randbelow(2**32) if request.random_seed is None else request.random_seed
        random = np.random.default_rng(random_seed)
        try:
            sampling = self._sampling(request)
            if request.from_corpus or request.from_line:
                known, seed = self._draw_seed(request, random)
            else:
                known, seed = self._read_seed(request.seed), request.seed
        except UserError as error:
            return error
        lengths = self.vocabulary.lengths
        needed = request.length + known.open_end

        def enough(ids: Ids) -> bool:
            return int(lengths[ids].sum()) >= needed or len(ids) >= _MOST_SYMBOLS * request.length

        row = Row(known.ids, sampling, random, enough, request.until)
        return _Begun(request, row, seed, random_seed, known.notes, known.open_end)

    def _draw_seed(self, request: WriteRequest, random: np.random.Generator) -> tuple[Seed, str]:
        """A window of the corpus, or a line of it; blank where the model keeps nothing of its corpus."""
        if request.from_line:
            line = draw_line(lambda: self._text_of(self._draw_window(random)))
            if line.strip():
                return replace(self._read_seed(line), notes=()), line  # they are about what a person types
        window = self._draw_window(random)
        seed = self._text_of(window)
        if seed.strip():
            return Seed(window), seed
        return Seed(window, (_NOTHING_KEPT,) if request.from_corpus else ()), seed[-1:]

    def _text_of(self, window: Ids) -> str:
        """What is shown of a window: its end, if its symbols are long."""
        return self.vocabulary.decode(window)[-_MOST_SEED:]

    def _sampling(self, request: WriteRequest) -> Sampling:
        temperature = DEFAULT_TEMPERATURE[self.recipe] if request.temperature is None else request.temperature
        guard = self.recipe not in UNGUARDED if request.guard is None else request.guard
        # Where there is one symbol, nothing else could come in its place.
        guard = guard and len(self.vocabulary) > 1
        return Sampling(temperature, request.top_k, request.top_p, request.min_p, guard)

    def _finish(self, begun: _Begun, ids: Ids, started: float) -> Generation | UserError:
        if begun.row.late:
            return too_slow()
        request = begun.request
        # A pass goes on after this text was long enough, and its symbols may be long.
        ends = np.cumsum(self.vocabulary.lengths[ids])
        text = self.vocabulary.decode(ids[: int(np.searchsorted(ends, request.length + begun.open_end)) + 1])
        if begun.open_end:
            text = text.removeprefix(" ")
        return Generation(
            seed=begun.seed,
            text=cut(text[: request.length], request.stop),
            temperature=begun.row.sampling.temperature,
            random_seed=begun.random_seed,
            notes=begun.notes,
            seconds=time.monotonic() - started,
        )
