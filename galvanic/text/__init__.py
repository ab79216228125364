"""Turn texts into numbers and back: recipes, vocabularies, seeds. Works without TensorFlow.

A recipe says what a symbol is: a character (`char`), a word or sign (`word`), or a character of the tutorial's cleaned
text (`classic`). `prepare` turns a text to be learned into ids, [symbols of the text]; `Recipe.seed` and
`Recipe.scoring` do the same for a seed, and for a text to be scored.
"""

from pathlib import Path

from galvanic.errors import UserError
from galvanic.source import Source
from galvanic.text.body import CharRecipe, WordRecipe
from galvanic.text.classic import ClassicRecipe
from galvanic.text.recipe import Prepared, Recipe, ScoringText, Seed, TextOptions
from galvanic.text.vocabulary import UNKNOWN, CharVocabulary, Ids, Vocabulary, make_vocabulary

__all__ = [
    "UNKNOWN",
    "CharVocabulary",
    "Ids",
    "Prepared",
    "ScoringText",
    "Seed",
    "TextOptions",
    "Vocabulary",
    "get_recipe",
    "make_vocabulary",
    "prepare",
]

_RECIPES: dict[str, Recipe] = {recipe.name: recipe for recipe in (CharRecipe(), WordRecipe(), ClassicRecipe())}


def get_recipe(name: str) -> Recipe:
    """Return the recipe of this name. Raises UserError if there is none."""
    if name not in _RECIPES:
        raise UserError(f'There is no recipe "{name}".', f"Choose one of: {', '.join(sorted(_RECIPES))}.")
    return _RECIPES[name]


def prepare(source: Source, options: TextOptions | None = None, *, workdir: Path | None = None) -> Prepared:
    """Turn a text into ids by the recipe of `options` (`char` by default).

    A file must be UTF-8 and not change meanwhile, since it is read several times, in pieces. `workdir`: a folder, made
    if necessary, for a file that the ids are mapped from; it must stay while they are used. None: the ids are in
    memory. Raises UserError if there is no such recipe, the text is too short, or the file cannot be read or is not
    UTF-8.
    """
    options = options or TextOptions()
    return get_recipe(options.recipe).prepare(source, options, workdir)
