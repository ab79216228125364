"""The recipes there are."""

from __future__ import annotations

from pathlib import Path

from galvanic.errors import UserError
from galvanic.source import Source
from galvanic.text.body import CharRecipe
from galvanic.text.classic import ClassicRecipe
from galvanic.text.recipe import Prepared, Recipe, TextOptions
from galvanic.text.word import WordRecipe

_RECIPES: dict[str, Recipe] = {recipe.name: recipe for recipe in (CharRecipe(), WordRecipe(), ClassicRecipe())}


def get_recipe(name: str) -> Recipe:
    """The recipe of that name.

    Raises:
        UserError: there is none.
    """
    if name not in _RECIPES:
        raise UserError(f'There is no recipe "{name}".', f"Choose one of: {', '.join(sorted(_RECIPES))}.")
    return _RECIPES[name]


def prepare(source: Source, options: TextOptions | None = None, *, workdir: Path | None = None) -> Prepared:
    """Make a text ready to be learned by the recipe of `options` (`char` unless said otherwise).

    Args:
        source: the text; or the path of a file of it in UTF-8, which is read in pieces, several times, and must not
            change meanwhile. Both give the same.
        workdir: a folder, made if need be, for the ids; they are then mapped from a file there, which must stay for as
            long as they are used. None: the ids are kept in memory.

    Raises:
        UserError: there is no such recipe, too little text, or the file cannot be read or is not UTF-8.
    """
    options = options or TextOptions()
    return get_recipe(options.recipe).prepare(source, options, workdir)
