"""Turn texts into numbers and back: recipes, vocabularies, seeds. Works without TensorFlow.

A recipe says what a symbol is: a character (`char`), a word or sign (`word`), or a character of the tutorial's cleaned
text (`classic`). `prepare` turns a text to be learned into ids, [symbols of the text]; `Recipe.seed` and
`Recipe.scoring` do the same for a seed, and for a text to be scored.
"""

from pathlib import Path

from galvanic.source import Source
from galvanic.text.body import CharRecipe, WordRecipe
from galvanic.text.classic import ClassicRecipe
from galvanic.text.recipe import Prepared, Recipe, ScoringText, Seed
from galvanic.text.vocabulary import UNKNOWN, CharVocabulary, Ids, Vocabulary, make_vocabulary

__all__ = [
    "RECIPES",
    "UNKNOWN",
    "CharVocabulary",
    "Ids",
    "Prepared",
    "ScoringText",
    "Seed",
    "Vocabulary",
    "make_vocabulary",
    "prepare",
]

RECIPES: dict[str, Recipe] = {recipe.name: recipe for recipe in (CharRecipe(), WordRecipe(), ClassicRecipe())}


def prepare(
    source: Source,
    recipe: str = "char",
    hard_wrapped: bool | None = None,
    *,
    known: tuple[str, ...] = (),
    workdir: Path | None = None,
) -> Prepared:
    """Turn a text into ids by a recipe.

    A file must be UTF-8 and not change meanwhile, since it is read several times, in pieces. `hard_wrapped`: whether
    its lines are broken at a fixed width; None: find out. `known`: symbols of the model to go on from, which keep their
    ids; new ones follow. `workdir`: a folder, made if necessary, for a file that the ids are mapped from; it must stay
    while they are used. None: the ids are in memory. Raises UserError if the text is too short, or the file cannot be
    read or is not UTF-8.
    """
    return RECIPES[recipe].prepare(source, hard_wrapped, known, workdir)
