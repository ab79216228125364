"""A request for a text, and how a model samples by default. Works without numpy and TensorFlow."""

import math
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, NamedTuple

from pydantic import Field

from galvanic.errors import UserError
from galvanic.options import GenerateOptions, RecipeName

between_blocks: ContextVar[Callable[[], None]] = ContextVar("between_blocks", default=lambda: None)
"""Called after each chunk of a text that is written or read. It may wait, to let others have their turn."""


class WriteRequest(GenerateOptions):
    """A request to continue a seed."""

    seed: str = ""  # ignored with `from_line`, refused with `from_corpus`
    from_line: bool = False  # take the beginning of a random line or sentence of the corpus as the seed
    until: float = math.inf  # the deadline (`time.monotonic`), after which nobody waits any more
    enough: Callable[[Any, Any, int], bool] | None = Field(None, exclude=True, repr=False)
    """Asked after each chunk, in place of `length`, whether to write no more. It gets the ids of the seed [symbols] and
    of the text so far [symbols], and how many of the text's first characters repeat the seed's end."""


class Drawing(NamedTuple):
    """A model's default temperature and min-p."""

    temperature: float
    min_p: float | None = None


_BY_LOSS = (
    (1.2, Drawing(0.8, 0.05)),
    (1.4, Drawing(0.7, 0.1)),
    (2.5, Drawing(0.6, 0.1)),
    (math.inf, Drawing(0.8)),
)
"""The defaults for losses below so many nats per character, measured by invented words (docs/engine.md). Above 2.5, a
character says as much as a word, as in Chinese, or nothing is learned yet."""


def usual_drawing(recipe: RecipeName, loss: float) -> Drawing:
    """Return how a model samples by default: up to 2.5 nats, the greater its loss, the lower the temperature.

    `loss`: held-out, in nats per character; without a held-out part, that on its own text.
    """
    if recipe == "classic":
        return Drawing(0.0)  # the likeliest character, as in the tutorial
    if recipe == "word":  # a lower temperature, or min-p, leaves single letters, which then spell no words
        return Drawing(0.8)
    return next(drawing for most, drawing in _BY_LOSS if not loss >= most)


def too_slow() -> UserError:
    return UserError(
        "That wasn't done in time: this model writes too slowly, or too many people are waiting.",
        "Ask for a shorter text, or use a smaller model.",
    )
