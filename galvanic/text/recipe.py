"""The interface of recipes, which turn a text, a seed, or a text to be scored into ids."""

import math
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unicodedata import normalize

import numpy as np
import numpy.typing as npt

from galvanic.emoji import EMOJI, named
from galvanic.errors import UserError
from galvanic.options import RecipeName
from galvanic.source import Source, pieces
from galvanic.text.letters import in_known_letters
from galvanic.text.vocabulary import AnyIds, Ids, Vocabulary, id_type, make_vocabulary, to_points, to_text

UNICODE_SCALARS = 0x110000 - 0x800  # number of characters that a text may have; choosing one costs ln of this


def adaptive_nats(counts: Iterable[int]) -> float:
    """Return the cost in nats of a sequence of symbols by the estimator of Krichevsky & Trofimov (1981).

    It predicts each symbol with the probability (its count so far + 1/2) / (length so far + symbols / 2), so the sum
    depends on the final `counts` alone. Symbols with count 0 belong to the alphabet.
    """
    numbers = list(counts)
    if not numbers:
        return 0.0
    total, half = sum(numbers), len(numbers) / 2
    gain = sum(math.lgamma(number + 0.5) - math.lgamma(0.5) for number in numbers)
    return math.lgamma(total + half) - math.lgamma(half) - gain


_AT_ONCE = 2**20  # symbols of a text that are handled at once


@dataclass(frozen=True)
class Prepared:
    """A text as numbers, ready to be learned."""

    recipe: RecipeName
    ids: AnyIds  # of the text, [symbols], of `id_type`; in memory, or mapped read-only from a file
    vocabulary: Vocabulary
    learned: int  # number of symbols at the beginning that are learned; the rest is held out
    learned_chars: int  # characters of that part, after preparation
    heldout_chars: int  # characters of the rest
    unwrapped: bool = False  # line breaks within paragraphs were turned into spaces

    @property
    def notes(self) -> tuple[str, ...]:
        """Return what was done to the text, in plain words."""
        return ("Lines broken for a fixed width were joined into paragraphs.",) if self.unwrapped else ()

    @property
    def density(self) -> float:
        """Return the symbols per character of the part to learn from, by which `per_char` turns a loss."""
        return self.learned / max(1, self.learned_chars)

    @property
    def heldout_density(self) -> float:
        return (len(self.ids) - self.learned) / max(1, self.heldout_chars)

    def parts(self, most: int | None = None) -> Iterator[str]:
        """Yield the text as it is learned, in parts. `most`: symbols from the beginning; None: all."""
        end = len(self.ids) if most is None else most
        for start in range(0, end, _AT_ONCE):
            part = self.ids[start : min(start + _AT_ONCE, end)]
            if isinstance(self.ids, np.memmap):  # read from the file: mapped pages would stay in the process' memory
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
    """A seed as numbers."""

    ids: Ids
    notes: tuple[str, ...] = ()  # what was changed in it, in plain words
    open_end: bool = False  # whether a space at its end was left out, which the model's text then begins with


@dataclass(frozen=True)
class ScoringText:
    """A text to be scored, as numbers; `starts` and `lengths` say which characters of the text each id stands for.

    The ids cover all of the text, each character once. If a dash is read as two hyphens, or an ellipsis as three
    points, these share its character.
    """

    ids: Ids  # [symbols]; `UNKNOWN` for a character that the model lacks
    side_nats: npt.NDArray[np.float64]  # cost of restoring the text as given from `ids`, [characters as given]
    starts: npt.NDArray[np.int64]  # [symbols], ascending or equal
    lengths: npt.NDArray[np.int64]  # [symbols], at least 1
    notes: tuple[str, ...] = ()  # reasons for `side_nats`, in plain words


MOST_EMOJI = 500  # custom emoji of a text that are symbols; rarer ones are read as `:name:`


class Body:
    """A text after a recipe's changes, in parts; it can be read several times.

    `characters`: how many it has; a custom emoji counts as one. `alphabet`: each other character once, by code point.
    `emoji`: custom emoji that are symbols.

    `through`: turns the pieces of the text into these parts. Those of a text in memory are kept. It reads the text at
    the beginning, to count emoji and characters. Raises UserError if the file cannot be read.
    """

    def __init__(
        self, source: Source, through: Callable[[Iterator[str]], Iterator[str]], *, unwrapped: bool = False
    ) -> None:
        self._source = source
        self._through = through
        self._kept = list(through(pieces(source))) if isinstance(source, str) else None
        self.unwrapped = unwrapped
        counts = Counter(emoji for part in self._parts() for emoji in EMOJI.findall(part))
        self.emoji = frozenset(emoji for emoji, _ in counts.most_common(MOST_EMOJI))
        self.characters = 0
        seen = np.zeros(0x110000, bool)
        for part in self:
            seen[to_points(EMOJI.sub("", part))] = True
            self.characters += len(EMOJI.sub("_", part))
        self.alphabet = to_text(np.flatnonzero(seen))

    def __iter__(self) -> Iterator[str]:
        return (named(part, self.emoji) for part in self._parts())

    def _parts(self) -> Iterator[str]:
        return self._through(pieces(self._source)) if self._kept is None else iter(self._kept)


class Recipe(ABC):
    """Reads texts for one kind of model. All methods are pure functions."""

    name: RecipeName
    holds_out = True  # whether it keeps the end of the text apart, to measure the loss there

    def prepare(
        self, source: Source, hard_wrapped: bool | None, known: tuple[str, ...], workdir: Path | None
    ) -> Prepared:
        """Turn a text into ids: `galvanic.text.prepare`."""
        body = self.read(source, hard_wrapped)
        learned_most = body.characters - (held_out(body.characters) if self.holds_out else 0)
        # In the order of their ids, each once.
        symbols = tuple(dict.fromkeys((*known, *self.symbols(body, learned_most))))
        vocabulary = make_vocabulary(self.name, symbols)
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
            unwrapped=body.unwrapped,
        )

    @abstractmethod
    def read(self, source: Source, hard_wrapped: bool | None) -> Body:
        """Return the text as it is learned. Raises UserError if too little is left of it."""

    def symbols(self, body: Body, characters: int) -> list[str]:  # noqa: ARG002
        """Return the symbols of a text, by id. `characters`: how many of them are learned from."""
        return [*body.alphabet, *sorted(body.emoji)]

    @abstractmethod
    def seed(self, seed: str, vocabulary: Vocabulary) -> Seed:
        """Turn a seed into ids. Raises UserError if nothing is left of it."""

    @abstractmethod
    def scoring(self, text: str, vocabulary: Vocabulary, *, unwrapped: bool) -> ScoringText:
        """Turn a text to be scored into ids, and compute the cost of what that loses.

        `unwrapped`: whether the lines of the model's own text were joined. Raises UserError if nothing is left of it.
        """


def held_out(characters: int) -> int:
    """Return how many characters at the end are held out: a tenth, and less of a long text, where fewer suffice."""
    return min(characters // 10, max(5_000, characters // 50), 100_000)


def _collected(parts: Iterable[npt.NDArray[Any]], kind: type[np.generic], workdir: Path | None) -> AnyIds:
    """Collect the ids of a text, in memory or in a file in `workdir` that they are mapped from."""
    if workdir is None:
        return np.concatenate(list(parts))
    workdir.mkdir(parents=True, exist_ok=True)
    path = workdir / "text.ids"
    path.unlink(missing_ok=True)  # ids mapped from an earlier file stay as they are
    with path.open("wb") as file:
        for part in parts:
            file.write(part.data)  # an error from `tofile` hides that the disk is full
    return np.memmap(path, kind, "r")


def _within(ids: AnyIds, vocabulary: Vocabulary, characters: int) -> tuple[int, int]:
    """Return how many symbols from the beginning have at most `characters` together, and how many these have."""
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
    """Return a seed in characters that the vocabulary has: others take another form, or are left out, as notes say.

    Raises UserError if none is left.
    """
    ids = vocabulary.encode(seed)
    if (ids >= 0).all():
        return Seed(ids)
    # Composed or as it is: some letters, as of Hindi or Hebrew, have no composed form.
    forms = [(form, in_known_letters(form, vocabulary)) for form in dict.fromkeys((seed, normalize("NFC", seed)))]
    composed, written = min(forms, key=lambda form: int((vocabulary.encode(form[1]) < 0).sum()))
    ids = vocabulary.encode(written)
    # Every character and custom emoji of a vocabulary's text is a symbol of it.
    unknown = _shown(set(EMOJI.sub("", written)) - set(vocabulary.symbols))
    if not (ids >= 0).any():
        raise UserError(
            f"The model knows none of the characters of your words: {unknown}.",
            "Write in the script of the text that it learned from.",
        )
    notes = []
    if normalize("NFKC", written) != normalize("NFKC", composed):  # else they only have other code points
        changed = _shown(set(composed) - set(written))
        notes.append(f"The model has never seen these characters and read them in another form: {changed}")
    if unknown:
        notes.append(f"The model has never seen these characters and skipped them: {unknown}")
    read = vocabulary.decode(ids[ids >= 0])
    if ids[-1] < 0 and read.strip():  # after a space that is read, the text would stand right behind this character
        read = read.rstrip()
    return Seed(vocabulary.encode(read), tuple(notes))


def _shown(chars: set[str]) -> str:
    """Return characters as a note shows them, at most ten."""
    shown = " ".join(char if char.isprintable() else f"U+{ord(char):04X}" for char in sorted(chars)[:10])
    return f"{shown} and others" if len(chars) > 10 else shown
