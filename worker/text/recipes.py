"""What a recipe is, and the recipes there are.

A recipe says how a text becomes numbers; the network that belongs to it is in `worker.model`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from shared.errors import UserError
from worker.text.vocabulary import Ids, Vocabulary


@dataclass(frozen=True)
class TextOptions:
    """How to prepare a text.

    Attributes:
        recipe: name of the recipe.
        hard_wrapped: lines are broken for a fixed width; None: find out.
        heldout: share of the text kept apart at its end; None: the recipe's default.
    """

    recipe: str = "char"
    hard_wrapped: bool | None = None
    heldout: float | None = None


@dataclass(frozen=True)
class Prepared:
    """A text ready to be learned.

    Attributes:
        ids: the whole text as ids, shape [characters].
        vocabulary: of the whole text.
        learned: the first so many of `ids` are learned from; the rest is held out.
        patterns: how many (context, next character) examples one epoch shows.
        unwrapped: line breaks within paragraphs were turned into spaces.
        notes: what was done to the text, in plain words.
    """

    recipe: str
    ids: Ids
    vocabulary: Vocabulary
    learned: int
    patterns: int
    unwrapped: bool = False
    notes: tuple[str, ...] = ()

    @property
    def characters(self) -> int:
        """Characters after preparation."""
        return len(self.ids)

    @property
    def distinct(self) -> int:
        """Different characters."""
        return len(self.vocabulary)

    @property
    def training(self) -> Ids:
        """Ids to learn from."""
        return self.ids[: self.learned]

    @property
    def heldout(self) -> Ids:
        """Ids kept apart, empty when nothing is."""
        return self.ids[self.learned :]


@dataclass(frozen=True)
class Seed:
    """A seed as ids, and what had to be changed in it."""

    ids: Ids
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class ScoringText:
    """A text to be scored.

    Attributes:
        ids: what the model reads; `UNKNOWN` for a character that it lacks.
        chars: length of the text as given.
        side_nats: what it costs to restore the text as given from what the model reads.
        notes: what that cost is for, in plain words.
    """

    ids: Ids
    chars: int
    side_nats: float = 0.0
    notes: tuple[str, ...] = ()


class Recipe(Protocol):
    """How one kind of model reads text. All methods are pure functions."""

    name: str

    def prepare(self, text: str, options: TextOptions) -> Prepared:
        """Make a text ready to be learned.

        Raises:
            UserError: too little is left of it.
        """

    def seed(self, seed: str, vocabulary: Vocabulary) -> Seed:
        """Bring a seed through the same pipeline as the text.

        Raises:
            UserError: nothing is left of it.
        """

    def scoring(self, text: str, vocabulary: Vocabulary, *, unwrapped: bool) -> ScoringText:
        """Bring a text to be scored through the same pipeline, and say what the pipeline lost.

        Args:
            text: as given.
            vocabulary: the model's.
            unwrapped: the model learned from a text whose paragraphs had been unwrapped.

        Raises:
            UserError: nothing is left of it.
        """


def get_recipe(name: str) -> Recipe:
    """The recipe of that name.

    Raises:
        UserError: there is none.
    """
    from worker.text.char import CharRecipe
    from worker.text.classic import ClassicRecipe

    recipes: dict[str, Recipe] = {recipe.name: recipe for recipe in (CharRecipe(), ClassicRecipe())}
    if name not in recipes:
        raise UserError(f'There is no recipe "{name}".', f"Choose one of: {', '.join(sorted(recipes))}.")
    return recipes[name]


def prepare(text: str, options: TextOptions | None = None) -> Prepared:
    """Make a text ready to be learned by the recipe of `options` (`char` unless said otherwise).

    Raises:
        UserError: there is no such recipe, or too little text.
    """
    options = options or TextOptions()
    return get_recipe(options.recipe).prepare(text, options)


def split_at(characters: int, share: float) -> int:
    """How many of the characters to learn from, when a share at the end is held out."""
    return characters - int(characters * share)


def known_seed(seed: str, vocabulary: Vocabulary) -> Seed:
    """A seed as ids, without the characters that the vocabulary lacks; these are named in the notes.

    Raises:
        UserError: the model knows none of the characters.
    """
    ids = vocabulary.encode(seed)
    unknown = sorted({char for char, number in zip(seed, ids, strict=True) if number < 0})
    if not unknown:
        return Seed(ids)
    named = " ".join(char if char.isprintable() else f"U+{ord(char):04X}" for char in unknown[:10])
    more = " and others" if len(unknown) > 10 else ""
    if not (ids >= 0).any():
        raise UserError(
            f"The model has never seen any of the characters of this seed: {named}{more}.",
            "Give a seed in the writing of the text that it learned from.",
        )
    return Seed(ids[ids >= 0], (f"The model has never seen these characters and skipped them: {named}{more}",))
