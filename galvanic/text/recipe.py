"""What a recipe is: it takes a text, a seed or a text to be scored, and gives numbers.

A recipe says how a text becomes numbers; the network that belongs to it is in `galvanic`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from galvanic.errors import UserError
from galvanic.source import Source
from galvanic.text.vocabulary import AnyIds, Ids, Vocabulary

UNICODE_SCALARS = 0x110000 - 0x800
"""Number of Unicode characters that a text can hold; naming one that is new costs ln of this."""


def adaptive_nats(counts: Iterable[int]) -> float:
    """Cost of a sequence of symbols under the Krichevsky-Trofimov estimator, from the count of each symbol.

    The estimator predicts each next symbol with probability (seen + 1/2) / (total + symbols/2); the sum over a
    sequence depends on the counts alone (Krichevsky & Trofimov 1981). Symbols with count 0 belong to the alphabet.
    """
    numbers = list(counts)
    if not numbers:
        return 0.0
    total, half = sum(numbers), len(numbers) / 2
    gain = sum(math.lgamma(number + 0.5) - math.lgamma(0.5) for number in numbers)
    return math.lgamma(total + half) - math.lgamma(half) - gain


def spelled_nats(counts: Iterable[int]) -> float:
    """`adaptive_nats`, and the naming of each different character once."""
    numbers = list(counts)
    return adaptive_nats(numbers) + len(numbers) * math.log(UNICODE_SCALARS)


LEAST_CHARS = 200
"""Below this there is nothing to hold out and little to learn."""


@dataclass(frozen=True)
class TextOptions:
    """How to prepare a text.

    Attributes:
        recipe: name of the recipe.
        hard_wrapped: lines are broken for a fixed width; None: find out.
        heldout: share of the text kept apart at its end; None: the recipe's default.
        known: symbols of the model that goes on with this text; they keep their ids, and new ones follow.
    """

    recipe: str = "char"
    hard_wrapped: bool | None = None
    heldout: float | None = None
    known: tuple[str, ...] = ()


@dataclass(frozen=True)
class Prepared:
    """A text ready to be learned.

    Attributes:
        ids: the whole text as ids, shape [symbols]: of `id_type`, in memory or (read-only) mapped from a file.
        vocabulary: of the whole text.
        learned: the first so many of `ids` are learned from; the rest is held out.
        learned_chars, heldout_chars: characters (after preparation) that these two parts stand for.
        patterns: how many (context, next symbol) examples one epoch shows.
        unwrapped: line breaks within paragraphs were turned into spaces.
        notes: what was done to the text, in plain words.
    """

    recipe: str
    ids: AnyIds
    vocabulary: Vocabulary
    learned: int
    learned_chars: int
    heldout_chars: int
    patterns: int
    unwrapped: bool = False
    notes: tuple[str, ...] = ()

    @property
    def characters(self) -> int:
        """Characters after preparation."""
        return self.learned_chars + self.heldout_chars

    @property
    def distinct(self) -> int:
        """Different symbols."""
        return len(self.vocabulary)

    @property
    def training(self) -> AnyIds:
        """Ids to learn from."""
        return self.ids[: self.learned]

    @property
    def heldout(self) -> AnyIds:
        """Ids kept apart, empty when nothing is."""
        return self.ids[self.learned :]


@dataclass(frozen=True)
class Seed:
    """A seed as ids, and what had to be changed in it.

    Attributes:
        open_end: a space at its end was left out, with which what is written will begin.
    """

    ids: Ids
    notes: tuple[str, ...] = ()
    open_end: bool = False


@dataclass(frozen=True)
class ScoringText:
    r"""A text to be scored.

    Attributes:
        ids: what the model reads, shape [symbols]; `UNKNOWN` for a character that it lacks.
        chars: length of the text as given.
        side_nats: what it costs to restore the text as given from what the model reads.
        starts: where in the text as given each id's characters begin, shape [symbols], ascending.
        lengths: how many characters of the text as given each id stands for, at least 1. `\r\n` read as a line break
            is 2; a line break read as a space keeps its place. The ids of `char` and `word` cover all of the text,
            each character once. Those of `classic` do not: what it drops between two words belongs to the space that
            it puts there, what it drops before the first and behind the last word to no id; and the two characters
            that "İ" becomes in lower case share it.
        notes: what that cost is for, in plain words.
    """

    ids: Ids
    chars: int
    side_nats: float = 0.0
    starts: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    lengths: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    notes: tuple[str, ...] = ()


class Recipe(Protocol):
    """How one kind of model reads text. All methods are pure functions."""

    name: str

    def prepare(self, source: Source, options: TextOptions, workdir: Path | None) -> Prepared:
        """Make a text ready to be learned; see `prepare`."""

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


def held_out(characters: int, share: float | None = None) -> int:
    """How many of so many characters are kept apart, at the end: a share of them, or by default a tenth of a short
    text and less of a long one, for which fewer are judged by more exactly than needed."""
    if share is not None:
        return int(characters * share)
    return min(characters // 10, max(5_000, characters // 50), 100_000)


def known_seed(seed: str, vocabulary: Vocabulary) -> Seed:
    """A seed as ids, without the characters that the vocabulary lacks; these are named in the notes.

    Raises:
        UserError: the model knows none of the characters.
    """
    ids = vocabulary.encode(seed)
    if (ids >= 0).all():
        return Seed(ids)
    # Every character of a vocabulary's text is a symbol of it.
    unknown = sorted(set(seed) - set(vocabulary.symbols))
    named = " ".join(char if char.isprintable() else f"U+{ord(char):04X}" for char in unknown[:10])
    more = " and others" if len(unknown) > 10 else ""
    if not (ids >= 0).any():
        raise UserError(
            f"The model has never seen any of the characters of this seed: {named}{more}.",
            "Give a seed in the script of the text that it learned from.",
        )
    return Seed(ids[ids >= 0], (f"The model has never seen these characters and skipped them: {named}{more}",))
