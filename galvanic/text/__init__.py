"""From a text to numbers: recipes, vocabularies, seeds. Works without TensorFlow."""

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
    """Raises UserError where there is none."""
    if name not in _RECIPES:
        raise UserError(f'There is no recipe "{name}".', f"Choose one of: {', '.join(sorted(_RECIPES))}.")
    return _RECIPES[name]


def prepare(source: Source, options: TextOptions | None = None, *, workdir: Path | None = None) -> Prepared:
    """Make a text ready to be learned by the recipe of `options` (`char` unless said otherwise).

    A file must be UTF-8 and not change meanwhile: it is read in pieces, several times. `workdir`: a folder, made if
    need be, for a file from which the ids are mapped, and which must stay while they are used; None: they are kept in
    memory. Raises UserError where there is no such recipe, too little text, or the file cannot be read or is not UTF-8.
    """
    options = options or TextOptions()
    return get_recipe(options.recipe).prepare(source, options, workdir)
