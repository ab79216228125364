"""From a text to numbers: recipes, vocabularies, seeds. Works without TensorFlow."""

from galvanic.source import Source
from galvanic.text.normalise import until_line
from galvanic.text.recipe import Prepared, Recipe, ScoringText, Seed, TextOptions
from galvanic.text.recipes import get_recipe, prepare
from galvanic.text.vocabulary import UNKNOWN, CharVocabulary, Ids, Vocabulary, WordVocabulary, make_vocabulary

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
