"""From a text to numbers: recipes, vocabularies, seeds. Works without TensorFlow."""

from worker.text.cut import until_line
from worker.text.recipe import Prepared, Recipe, ScoringText, Seed, TextOptions
from worker.text.recipes import get_recipe, prepare
from worker.text.source import Source
from worker.text.vocabulary import UNKNOWN, CharVocabulary, Ids, Vocabulary, WordVocabulary, make_vocabulary

__all__ = [
    "UNKNOWN",
    "CharVocabulary",
    "Ids",
    "Prepared",
    "Recipe",
    "ScoringText",
    "Seed",
    "Source",
    "TextOptions",
    "Vocabulary",
    "WordVocabulary",
    "get_recipe",
    "make_vocabulary",
    "prepare",
    "until_line",
]
