"""Measure how much a text has to do with its seed: pointwise mutual information.

The bot writes several answers and takes the one with the most, as MegaHAL and cobe choose among theirs
(docs/decisions/119-answers-what-was-said.md).
"""

import itertools
import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from galvanic.copying import RUN
from galvanic.generate import TextGenerator
from galvanic.sampling import Floats
from galvanic.text import RECIPES

_SCORED = 64  # symbols of a text that are scored; after them the seed hardly matters, and the rest is chance
_SURE = 0.5  # a row of symbols counts as recited if the probability of each is above this


def related(author: TextGenerator, seed: str, texts: Sequence[str], until: float = math.inf) -> list[float]:
    """Return for each text how much likelier the seed makes it, in nats a symbol.

    That is the mean of ln p(symbol | seed) - ln p(symbol | no words) over the text's first symbols; recited symbols
    count 0, and an empty text has 0. "No words" is the seed's last line break with the sign before it and all after it,
    so that neither the sign nor a speaker's name counts.

    Raises UserError if the seed cannot be read, or it is not done by `until` (`time.monotonic`).
    """
    words, _, behind = seed.rpartition("\n")
    line_break = "\n" if "\n" in author.vocabulary.symbols else " "
    read, bare = (
        RECIPES[author.recipe].seed(text, author.vocabulary) for text in (seed, f"{words[-1:]}{line_break}{behind}")
    )
    ids = [author.vocabulary.encode(f" {text}" if read.open_end else text)[:_SCORED] for text in texts]
    after_seed, after_bare = (author.predictor.read_ahead(start.ids, ids, until)[1] for start in (read, bare))
    return [
        float(np.sum(with_words - without, where=~_recited(with_words))) / max(1, len(with_words))
        for with_words, without in zip(after_seed, after_bare, strict=True)
    ]


def _recited(log_probs: Floats) -> npt.NDArray[np.bool_]:
    """Return which symbols are recited: in a row of `RUN` or more that the model was sure of.

    So it writes a text that it knows by heart. The text itself may not be kept, so nothing can be compared with it.
    """
    runs = ((sure, len(list(run))) for sure, run in itertools.groupby((log_probs > math.log(_SURE)).tolist()))
    return np.array([sure and length >= RUN for sure, length in runs for _ in range(length)], bool)
