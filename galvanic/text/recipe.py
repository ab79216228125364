"""What a recipe is: it turns a text, a seed or a text to be scored into numbers."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from galvanic.errors import UserError
from galvanic.source import Source, pieces
from galvanic.text.vocabulary import AnyIds, Ids, Vocabulary, id_type, make_vocabulary, to_points, to_text

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


_AT_ONCE = 2**20  # symbols of a text


@dataclass(frozen=True)
class TextOptions:
    recipe: str = "char"
    hard_wrapped: bool | None = None  # lines are broken for a fixed width; None: find out
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

    @property
    def notes(self) -> tuple[str, ...]:
        """What was done to the text, in plain words."""
        return ("Lines broken for a fixed width were joined into paragraphs.",) if self.unwrapped else ()

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

    def parts(self, most: int | None = None) -> Iterator[str]:
        """The text as it is learned; `most`: its first so many symbols alone."""
        end = len(self.ids) if most is None else most
        for start in range(0, end, _AT_ONCE):
            part = self.ids[start : min(start + _AT_ONCE, end)]
            if isinstance(self.ids, np.memmap):  # read, for what is mapped stays in the process' memory
                part = np.fromfile(str(self.ids.filename), part.dtype, len(part), offset=start * part.itemsize)
            yield self.vocabulary.decode(part)

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
    cover all of the text, each character once, but that the two hyphens or three points that a dash or an ellipsis is
    read as share it. Those of `classic` do not: what it drops between two words belongs to
    the space that it puts there, what it drops before the first and behind the last word to no id; and the two
    characters that "İ" becomes in lower case share it.
    """

    ids: Ids  # [symbols]; `UNKNOWN` for a character that the model lacks
    side_nats: npt.NDArray[np.float64]  # cost of restoring the text as given from `ids`, [its characters]
    starts: npt.NDArray[np.int64]  # [symbols], never falling
    lengths: npt.NDArray[np.int64]  # [symbols], at least 1
    notes: tuple[str, ...] = ()  # what `side_nats` is for, in plain words


class Body:
    """A text as a recipe reads it, part by part, as often as asked. It is read once to begin with.

    `through`: from the pieces of the text to these parts; of a text in memory they are kept. Raises UserError where the
    file cannot be read.
    """

    def __init__(
        self, source: Source, through: Callable[[Iterator[str]], Iterator[str]], *, unwrapped: bool = False
    ) -> None:
        self._source = source
        self._through = through
        self._kept = list(through(pieces(source))) if isinstance(source, str) else None
        self.unwrapped = unwrapped
        self.characters = 0
        seen = np.zeros(0x110000, bool)
        for part in self:
            seen[to_points(part)] = True
            self.characters += len(part)
        self.alphabet = to_text(np.flatnonzero(seen))  # each character once, by code point

    def __iter__(self) -> Iterator[str]:
        return self._through(pieces(self._source)) if self._kept is None else iter(self._kept)


class Recipe(ABC):
    """How one kind of model reads text. All methods are pure functions."""

    name: str
    context = 1  # symbols that the network reads before it predicts one
    holds_out = True  # else it learns from all of the text

    def prepare(self, source: Source, options: TextOptions, workdir: Path | None) -> Prepared:
        """See `galvanic.text.prepare`."""
        body = self.read(source, options.hard_wrapped)
        learned_most = body.characters - (held_out(body.characters) if self.holds_out else 0)
        had = set(options.known)
        new = [symbol for symbol in self.symbols(body, learned_most) if symbol not in had]
        vocabulary = make_vocabulary(self.name, (*options.known, *new))
        kind = id_type(len(vocabulary))
        ids = _collected((vocabulary.encode(part).astype(kind) for part in body), kind, workdir)
        learned, learned_chars = _within(ids, vocabulary, learned_most)
        return Prepared(
            recipe=self.name,
            ids=ids,
            vocabulary=vocabulary,
            learned=learned,
            learned_chars=learned_chars,
            heldout_chars=body.characters - learned_chars,
            patterns=learned - self.context,
            unwrapped=body.unwrapped,
        )

    @abstractmethod
    def read(self, source: Source, hard_wrapped: bool | None) -> Body:
        """The text as it is learned. Raises UserError where too little is left of it."""

    def symbols(self, body: Body, characters: int) -> list[str]:  # noqa: ARG002
        """What is to be a symbol, by id, in a text of which so many characters are learned from."""
        return list(body.alphabet)

    @abstractmethod
    def seed(self, seed: str, vocabulary: Vocabulary) -> Seed:
        """The seed through the text's pipeline. Raises UserError where nothing is left of it."""

    @abstractmethod
    def scoring(self, text: str, vocabulary: Vocabulary, *, unwrapped: bool) -> ScoringText:
        """A text as given through the same pipeline, and what that lost. Raises UserError where nothing is left of it.

        `unwrapped`: the model learned from a text whose paragraphs had been unwrapped.
        """


def held_out(characters: int) -> int:
    """Characters kept apart, at the end: a tenth, and less of a long text, where fewer suffice."""
    return min(characters // 10, max(5_000, characters // 50), 100_000)


def _collected(parts: Iterable[npt.NDArray[Any]], kind: type[np.generic], workdir: Path | None) -> AnyIds:
    """Ids of a text one behind the other, in memory or mapped from a file in `workdir`."""
    if workdir is None:
        return np.concatenate(list(parts))
    workdir.mkdir(parents=True, exist_ok=True)
    path = workdir / "text.ids"
    path.unlink(missing_ok=True)  # what is mapped from a former one stays as it is
    with path.open("wb") as file:
        for part in parts:
            file.write(part.data)  # an error of `tofile` does not say that the disk is full
    return np.memmap(path, kind, "r")


def _within(ids: AnyIds, vocabulary: Vocabulary, characters: int) -> tuple[int, int]:
    """How many of the first symbols have at most so many characters together, and how many these have."""
    if len(vocabulary.lengths) == vocabulary.lengths.sum():
        return characters, characters
    symbols = had = 0
    for start in range(0, len(ids), _AT_ONCE):
        ends = had + np.cumsum(vocabulary.lengths[ids[start : start + _AT_ONCE]])
        fitting = int(np.searchsorted(ends, characters, side="right"))
        symbols, had = symbols + fitting, int(ends[fitting - 1]) if fitting else had
        if fitting < len(ends):
            break
    return symbols, had


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
            f"The model knows none of the characters of your words: {named}{more}.",
            "Write in the script of the text that it learned from.",
        )
    return Seed(ids[ids >= 0], (f"The model has never seen these characters and skipped them: {named}{more}",))
