"""A trained model that writes and scores."""

from __future__ import annotations

import math
import secrets
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt

from shared.errors import UserError
from worker.model import folder as model_folder
from worker.model.network import Weights
from worker.model.results import Generation, Score
from worker.model.sampling import Reader
from worker.text import Vocabulary, get_recipe
from worker.text.classic import pad
from worker.text.codelength import UNICODE_SCALARS

DEFAULT_TEMPERATURE = {"char": 0.8, "classic": 0.0}
"""`classic` takes the likeliest character each time, as the tutorial does."""
MOST_TEMPERATURE = 2.0


class TextModel:
    """A model in memory. Not for two threads at once: it has one reading state.

    Args:
        description: from the model folder.
        weights: by name.
        windows: ids of windows of the corpus.
    """

    def __init__(self, description: model_folder.Description, weights: Weights, windows: npt.NDArray[np.int32]) -> None:
        self.description = description
        self.vocabulary = Vocabulary(description.vocabulary)
        self._recipe = get_recipe(description.recipe)
        self._windows = windows
        self._reader = Reader(description.network, weights)

    def generate(
        self,
        seed: str,
        length: int,
        temperature: float | None = None,
        random_seed: int | None = None,
        from_corpus: bool = False,
    ) -> Generation:
        """Continue a seed.

        Args:
            seed: the text to continue; ignored with `from_corpus`.
            length: characters to write.
            temperature: 0: always the likeliest character; None: the recipe's default.
            random_seed: the same one gives the same text; None: drawn, and reported.
            from_corpus: begin with a random window of the corpus instead (the tutorial's demonstration).

        Raises:
            UserError: nothing of the seed can be used, or a number is out of range.
        """
        begun = time.monotonic()
        if temperature is None:
            temperature = DEFAULT_TEMPERATURE[self.description.recipe]
        if not 0 <= temperature <= MOST_TEMPERATURE:
            raise UserError(f"A temperature of {temperature:g} is out of range.", "Choose one from 0 to 2.")
        if length < 1:
            raise UserError("The length must be at least 1.", "Choose how many characters to write.")
        random_seed = secrets.randbelow(2**32) if random_seed is None else random_seed
        random = np.random.default_rng(random_seed)
        notes: tuple[str, ...] = ()
        if from_corpus:
            ids = self._windows[random.integers(len(self._windows))].astype(np.int32)
            seed = self.vocabulary.decode(ids)
        else:
            known = self._recipe.seed(seed, self.vocabulary)
            ids, notes = known.ids, known.notes
        written = self._reader.write(ids, length, temperature, random)
        return Generation(
            seed=seed,
            text=self.vocabulary.decode(written),
            temperature=temperature,
            random_seed=random_seed,
            notes=notes,
            seconds=time.monotonic() - begun,
        )

    def score(self, text: str) -> Score:
        """How well the model foresees a text, per character of the text as given.

        The text is read in order with carried state and the model stays as it is. The vocabulary's characters share
        all probability but `unseen`; any other costs -ln(unseen) and the naming of one Unicode character, and is
        not read. What the recipe's pipeline drops is charged as well (`worker.text.codelength`).

        Raises:
            UserError: nothing of the text can be read.
        """
        scoring = self._recipe.scoring(text, self.vocabulary, unwrapped=self.description.unwrapped)
        known = scoring.ids[scoring.ids >= 0]
        unknown = len(scoring.ids) - len(known)
        unseen = self.description.unseen
        nats = scoring.side_nats + unknown * (math.log(UNICODE_SCALARS) - math.log(unseen))
        if len(known):
            self._reader.reset()
            lead = pad(known[:0]) if self.description.network.window else known[:0]
            log_probs = self._reader.read(np.concatenate([lead, known]))[len(lead) :]
            nats -= float(log_probs.sum(dtype=np.float64)) + len(known) * math.log1p(-unseen)
        notes = scoring.notes
        if unknown:
            notes = (*notes, f"{unknown:,} characters that the model has never seen were charged as such.")
        return Score(nats / scoring.chars, scoring.chars, notes)


def load_model(folder: Path) -> TextModel:
    """Read a model folder.

    Raises:
        UserError: there is no model, it is damaged, or a newer program wrote it.
    """
    description, weights, windows = model_folder.load(folder)
    return TextModel(description, weights, windows)
