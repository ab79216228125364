"""What a recipe is: it turns a text, a seed or a text to be scored into numbers."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from galvanic.errors import UserError
from galvanic.source import Source
from galvanic.text.vocabulary import AnyIds, Ids, Vocabulary

UNICODE_SCALARS = 0x110000 - 0x800  # characters that a text can hold; naming one that is new costs ln of this


def adaptive_nats(counts: Iterable[int]) -> float:
    """Cost of a sequence of symbols under the Krichevsky-Trofimov estimator (1981), from the count of each symbol.

    It predicts each next symbol with probability (seen + 1/2) / (total + symbols/2), so the sum depends on the counts
    alone. Symbols with count 0 belong to the alphabet.
    """
    numbers = list(counts)
    if not numbers:
        return 0.0
    total, half = sum(numbers), len(numbers) / 2
    gain = sum(math.lgamma(number + 0.5) - math.lgamma(0.5) for number in numbers)
    return math.lgamma(total + half) - math.lgamma(half) - gain


LEAST_CHARS = 200  # below this there is nothing to hold out and little to learn


@dataclass(frozen=True)
class TextOptions:
    recipe: str = "char"
    hard_wrapped: bool | None = None  # lines are broken for a fixed width; None: find out
    heldout: float | None = None  # share of the text kept apart at its end; None: the recipe's default
    known: tuple[str, ...] = ()  # symbols of the model to go on from; they keep their ids, and new ones follow


@dataclass(frozen=True)
class Prepared:
    """A text ready to be learned."""

    recipe: str
    ids: AnyIds  # of the whole text, [symbols]: of `id_type`, in memory or (read-only) mapped from a file
    vocabulary: Vocabulary
    learned: int  # the first so many of `ids` are learned from; the rest is held out
    learned_chars: int  # characters (after preparation) of that part
    heldout_chars: int  # and of the rest
    patterns: int  # (context, next symbol) examples that one epoch shows
    unwrapped: bool = False  # line breaks within paragraphs were turned into spaces
    notes: tuple[str, ...] = ()  # what was done to the text, in plain words

    @property
    def characters(self) -> int:
        return self.learned_chars + self.heldout_chars

    @property
    def density(self) -> float:
        """Symbols per character of the part to learn from: a loss per symbol times it is one per character."""
        return self.learned / max(1, self.learned_chars)

    @property
    def heldout_density(self) -> float:
        return (len(self.ids) - self.learned) / max(1, self.heldout_chars)

    @property
    def training(self) -> AnyIds:
        return self.ids[: self.learned]

    @property
    def heldout(self) -> AnyIds:
        return self.ids[self.learned :]


@dataclass(frozen=True)
class Seed:
    ids: Ids
    notes: tuple[str, ...] = ()  # what had to be changed in it, in plain words
    open_end: bool = False  # a space at its end was left out, with which what is written will begin


@dataclass(frozen=True)
class ScoringText:
    r"""A text to be scored; `starts` and `lengths` say which characters of the text as given each id stands for.

    Of `\r\n` read as a line break that is 2; a line break read as a space keeps its place. The ids of `char` and `word`
    cover all of the text, each character once. Those of `classic` do not: what it drops between two words belongs to
    the space that it puts there, what it drops before the first and behind the last word to no id; and the two
    characters that "İ" becomes in lower case share it.
    """

    ids: Ids  # [symbols]; `UNKNOWN` for a character that the model lacks
    chars: int  # of the text as given
    side_nats: float = 0.0  # cost of restoring the text as given from `ids`
    starts: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))  # [symbols], ascending
    lengths: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))  # [symbols], at least 1
    notes: tuple[str, ...] = ()  # what `side_nats` is for, in plain words


class Recipe(ABC):
    """How one kind of model reads text. All methods are pure functions."""

    name: str

    @abstractmethod
    def prepare(self, source: Source, options: TextOptions, workdir: Path | None) -> Prepared:
        """See `galvanic.text.prepare`."""

    @abstractmethod
    def seed(self, seed: str, vocabulary: Vocabulary) -> Seed:
        """The seed through the text's pipeline. Raises UserError where nothing is left of it."""

    @abstractmethod
    def scoring(self, text: str, vocabulary: Vocabulary, *, unwrapped: bool) -> ScoringText:
        """A text as given through the same pipeline, and what that lost. Raises UserError where nothing is left of it.

        `unwrapped`: the model learned from a text whose paragraphs had been unwrapped.
        """


def held_out(characters: int, share: float | None = None) -> int:
    """Characters kept apart, at the end: by default a tenth, and less of a long text, where fewer suffice."""
    if share is not None:
        return int(characters * share)
    return min(characters // 10, max(5_000, characters // 50), 100_000)


def known_seed(seed: str, vocabulary: Vocabulary) -> Seed:
    """A seed without the characters that the vocabulary lacks, which the notes name; UserError where it lacks all."""
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
