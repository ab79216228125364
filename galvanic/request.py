"""What is asked of a model that writes, and what stands in for what is not. Works without numpy and TensorFlow."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextvars import ContextVar
from typing import NamedTuple

from galvanic.errors import UserError
from galvanic.options import GenerateOptions, RecipeName

between_blocks: ContextVar[Callable[[], None]] = ContextVar("between_blocks", default=lambda: None)
"""Called between two blocks of a text that is written or read (`galvanic.predictor.CHUNK`); it may wait there, so that
others have their turn."""


class WriteRequest(GenerateOptions):
    seed: str = ""  # ignored with `from_corpus` and `from_line`
    from_line: bool = False  # begin with the beginning of a random line or sentence of the corpus
    until: float = math.inf  # give up at this time (`time.monotonic`): nobody waits any more


class Drawing(NamedTuple):
    temperature: float
    min_p: float | None = None


_BY_LOSS = ((1.2, Drawing(0.8, 0.05)), (1.4, Drawing(0.7, 0.1)), (math.inf, Drawing(0.6, 0.1)))
"""For a loss below so many nats a character, by the shares of invented words (docs/engine.md)."""


def usual_drawing(recipe: RecipeName, loss: float) -> Drawing:
    """How a model draws where nobody says: the less it has learned, the closer to what it holds likeliest.

    `loss`: held-out, nats a character; that on its own text where nothing was held out. `classic` takes the likeliest
    character each time, as the tutorial does.
    """
    if recipe == "classic":
        return Drawing(0.0)
    if recipe == "word":  # what is left of a sharpened distribution are letters, by which it spells no words
        return Drawing(0.8)
    return next(drawing for most, drawing in _BY_LOSS if not loss >= most)


def too_slow() -> UserError:
    return UserError(
        "That wasn't done in time: this model writes too slowly, or too many people are waiting.",
        "Ask for a shorter text, or use a smaller model.",
    )
