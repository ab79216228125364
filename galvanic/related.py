"""How much a seed tells of what was written behind it: by that the best of several texts is taken, as MegaHAL and cobe
choose among theirs (docs/decisions/119-answers-what-was-said.md)."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from galvanic.copying import RUN
from galvanic.generate import Author
from galvanic.sampling import Floats
from galvanic.text import get_recipe

_TOLD = 64
"""Symbols of a text that are looked at: behind them the words tell next to nothing, and chance as much."""
_SURE = 0.5
"""Probability of each symbol in a row of `RUN` or more from which the row is recited, not said."""


def related(author: Author, seed: str, texts: Sequence[str], until: float = math.inf) -> list[float]:
    """Of each text, in nats a symbol: how much likelier its beginning is behind the seed than behind no words, the mean
    of ln p(symbol | seed) - ln p(symbol | no words), where what is recited counts nothing; 0 for an empty text.

    "No words" is the seed's last line break with the sign before it and what stands behind it, so that neither the sign
    nor a speaker's name counts as told by the words.

    Raises UserError where the seed cannot be read, or it is not done by `until` (`time.monotonic`).
    """
    words, _, behind = seed.rpartition("\n")
    line_break = "\n" if "\n" in author.vocabulary.symbols else " "
    read, bare = (
        get_recipe(author.recipe).seed(one, author.vocabulary) for one in (seed, f"{words[-1:]}{line_break}{behind}")
    )
    ids = [author.vocabulary.encode(f" {text}" if read.open_end else text)[:_TOLD] for text in texts]
    told, alone = (author.predictor.read_each(one.ids, ids, until) for one in (read, bare))
    return [
        float(np.sum(with_words - without, where=~_recited(with_words))) / max(1, len(with_words))
        for with_words, without in zip(told, alone, strict=True)
    ]


def _recited(log_probs: Floats) -> npt.NDArray[np.bool_]:
    """Which symbols are in a row of `RUN` or more that the model was sure of: so it writes a text that it has by heart,
    of which nothing else may be kept to compare with."""
    runs = ((sure, len(list(run))) for sure, run in itertools.groupby((log_probs > math.log(_SURE)).tolist()))
    return np.array([sure and length >= RUN for sure, length in runs for _ in range(length)], bool)
