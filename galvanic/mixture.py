"""Several models that write one text: at each step their predictions are mixed by weight."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from galvanic import streams
from galvanic.author import Author
from galvanic.errors import UserError
from galvanic.generate import TextModel
from galvanic.sampling import padded
from galvanic.streams import Ids, Mix, Row
from galvanic.text import CharVocabulary, Seed, get_recipe


class Mixture(Author):
    """The weighted mean of several models' distributions, over all characters that any of them knows.

    All models read what is drawn; one that lacks the character goes on as if it had not come. Temperature and filters
    act on the mixed distribution. Safe between threads.

    Args:
        parts: models, all of recipe `char`, and their weights, which need not sum to 1.

    Raises:
        UserError: a model does not write character by character, or the weights cannot be used.
    """

    recipe = "char"

    def __init__(self, parts: Sequence[tuple[TextModel, float]]) -> None:
        if not parts:
            raise UserError("A mixture needs models.", "Name two or more.")
        for model, weight in parts:
            if model.recipe != "char":
                raise UserError(
                    f"Models of the recipe `{model.recipe}` cannot be mixed.", "Mix only models of the recipe `char`."
                )
            if not 0 < weight < float("inf"):
                raise UserError("A weight in a mixture must be a number above 0.", "Write it like `a:0.7,b:0.3`.")
        self._models = [model for model, _ in parts]
        self.vocabulary = CharVocabulary(sorted({char for model in self._models for char in model.vocabulary.symbols}))
        total = sum(weight for _, weight in parts)
        union = "".join(self.vocabulary.symbols)
        more = padded(len(union)) - len(union)
        self._networks: list[streams.Network] = []
        weights: list[float] = []
        maps: list[Ids] = []
        for model, weight in parts:
            ids = np.pad(model.vocabulary.encode(union), (0, more), constant_values=-1)
            for network in model.reader.networks:
                self._networks.append(network)
                weights.append(weight / total / len(model.reader.networks))
                maps.append(ids)
        self._mix = Mix(tf.constant(weights, tf.float32), tuple(map(tf.constant, maps)))

    def _read_seed(self, seed: str) -> Seed:
        return get_recipe("char").seed(seed, self.vocabulary)

    def _draw_window(self, random: np.random.Generator) -> Ids:
        """Of the first model's corpus."""
        model = self._models[0]
        return self.vocabulary.encode(model.vocabulary.decode(model.random_window(random)))

    def _write(self, rows: Sequence[Row]) -> list[Ids]:
        return streams.write(self._networks, rows, self._mix)
