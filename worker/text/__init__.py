"""From a text to numbers: recipes, vocabularies, seeds. Works without TensorFlow."""

from worker.text.cut import until_line
from worker.text.recipes import Prepared, Recipe, ScoringText, Seed, TextOptions, get_recipe, prepare
from worker.text.vocabulary import Vocabulary

__all__ = [
    "Prepared",
    "Recipe",
    "ScoringText",
    "Seed",
    "TextOptions",
    "Vocabulary",
    "get_recipe",
    "prepare",
    "until_line",
]
