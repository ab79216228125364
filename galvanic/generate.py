"""A trained model that writes and scores."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from galvanic.author import Author
from galvanic.model_file import Description, load
from galvanic.network import Weights
from galvanic.reader import Reader
from galvanic.results import Score, Surprise
from galvanic.streams import Ids, Row
from galvanic.text import ScoringText, Seed, get_recipe, make_vocabulary
from galvanic.text.classic import pad
from galvanic.text.codelength import UNICODE_SCALARS
from galvanic.units import count


class TextModel(Author):
    """A model in memory. Safe between threads: nothing is kept from one call to the next.

    Args:
        description: from the model file.
        weights: by name.
        windows: ids of windows of the corpus, [windows, symbols].
    """

    def __init__(self, description: Description, weights: Weights, windows: npt.NDArray[Any]) -> None:
        self.description = description
        self.recipe = description.recipe
        self.vocabulary = make_vocabulary(description.recipe, description.symbols)
        self.reader = Reader(description.network, weights)
        self._recipe = get_recipe(description.recipe)
        self._windows = windows

    def score(self, text: str) -> Score:
        """How well the model foresees a text, per character of the text as given.

        The text is read in order with carried state and the model stays as it is. The vocabulary's characters share
        all probability but `unseen`; any other costs -ln(unseen) and the naming of one Unicode character, and is
        not read. What the recipe's pipeline drops is charged as well (`galvanic.text.codelength`).

        Raises:
            UserError: nothing of the text can be read.
        """
        scoring, nats, notes = self._read(text)
        return Score((float(nats.sum()) + scoring.side_nats) / scoring.chars, scoring.chars, notes)

    def surprise(self, text: str, until: float = math.inf) -> Surprise:
        """What each character of a text costs the model; the sum is the score's.

        A symbol of several characters spreads its nats evenly over them, and so does what the pipeline drops over
        the characters that it dropped (over all, where it dropped none).

        Raises:
            UserError: nothing of the text can be read, or it was not done until then (`time.monotonic`).
        """
        scoring, nats, notes = self._read(text, until)
        return Surprise(_spread(scoring, nats), notes)

    def _read_seed(self, seed: str) -> Seed:
        return self._recipe.seed(seed, self.vocabulary)

    def random_window(self, random: np.random.Generator) -> Ids:
        """A window of the corpus, [symbols]."""
        return np.asarray(self._windows[random.integers(len(self._windows))], np.int32)

    def _draw_window(self, random: np.random.Generator) -> Ids:
        return self.random_window(random)

    def _write(self, rows: Sequence[Row]) -> list[Ids]:
        return self.reader.write_batch(rows)

    def _read(self, text: str, until: float = math.inf) -> tuple[ScoringText, npt.NDArray[np.float64], tuple[str, ...]]:
        """The text as it is scored, the nats of each of its ids, and what there is to say about it."""
        scoring = self._recipe.scoring(text, self.vocabulary, unwrapped=self.description.unwrapped)
        read = scoring.ids >= 0
        known = scoring.ids[read]
        unseen = self.description.unseen
        nats = np.full(len(read), math.log(UNICODE_SCALARS) - math.log(unseen))
        if len(known):
            lead = pad(known[:0]) if self.description.network.window else known[:0]
            log_probs = self.reader.read(np.concatenate([lead, known]), until)[len(lead) :]
            nats[read] = -log_probs.astype(np.float64) - math.log1p(-unseen)
        notes = scoring.notes
        if len(known) < len(read):
            unknown = len(read) - len(known)
            charged = "was charged" if unknown == 1 else "were charged"
            notes = (*notes, f"{count(unknown, 'character')} that the model has never seen {charged} as such.")
        return scoring, nats, notes


def _spread(scoring: ScoringText, nats: npt.NDArray[np.float64]) -> tuple[float, ...]:
    """The nats of ids [symbols] and the cost of what the pipeline drops, for each character of the text as given."""
    each = np.zeros(scoring.chars)
    first = np.cumsum(scoring.lengths) - scoring.lengths
    places = np.repeat(scoring.starts - first, scoring.lengths) + np.arange(scoring.lengths.sum())
    np.add.at(each, places, np.repeat(nats / scoring.lengths, scoring.lengths))
    alone = np.zeros(scoring.chars, bool)
    alone[scoring.starts[scoring.lengths == 1]] = True
    dropped = np.flatnonzero(~alone) if not alone.all() else np.arange(scoring.chars)
    each[dropped] += scoring.side_nats / len(dropped)
    return tuple(each.tolist())


def load_model(path: Path) -> TextModel:
    """Read a model file.

    Raises:
        UserError: there is no model, it is damaged, or a newer program wrote it.
    """
    return TextModel(*load(path))
