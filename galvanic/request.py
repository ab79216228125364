"""What is asked of a model that writes, and what stands in for what is not. Works without numpy and TensorFlow."""

from __future__ import annotations

import math

from galvanic.errors import UserError
from galvanic.options import GenerateOptions


class WriteRequest(GenerateOptions):
    seed: str = ""  # ignored with `from_corpus` and `from_line`
    from_line: bool = False  # begin with the beginning of a random line or sentence of the corpus
    until: float = math.inf  # give up at this time (`time.monotonic`): nobody waits any more


def too_slow() -> UserError:
    return UserError(
        "That wasn't done in time: this model writes too slowly, or too many people wait.",
        "Ask for a shorter text, or take a smaller model.",
    )
