"""Map a model's symbols to ids and back."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any
from unicodedata import category

import numpy as np
import numpy.typing as npt

from galvanic.emoji import EMOJI
from galvanic.errors import UserError

Ids = npt.NDArray[np.int32]  # as a model reads them; those of a text are stored in fewer bytes (`id_type`)
AnyIds = npt.NDArray[Any]  # int32, uint16 or uint8
Points = npt.NDArray[np.uint32]
UNKNOWN = -1
_CODEC = "utf-32-le"
_COUNTED_AT_ONCE = 2**22
MOST_SYMBOLS = 100_000
MOST_SYMBOL_CHARS, MOST_CHARS = 1_000, 1_000_000  # in one symbol (`split` makes shorter ones), and in all


def to_points(text: str) -> Points:
    """Return the code points of a text, [len(text)]; lone surrogates are allowed."""
    return np.frombuffer(text.encode(_CODEC, "surrogatepass"), dtype="<u4")


def to_text(points: npt.NDArray[Any]) -> str:
    return points.astype("<u4", copy=False).tobytes().decode(_CODEC, "surrogatepass")


def split(text: str) -> list[str]:
    """Split a text into words, punctuation and blank space; joined, they are the text."""
    from galvanic.text import tokens

    return tokens.with_spaces(text)


def id_type(size: int) -> type[np.uint8] | type[np.uint16] | type[np.int32]:
    """Return the smallest type for ids below `size`."""
    return np.uint8 if size <= 2**8 else np.uint16 if size <= 2**16 else np.int32


def symbol_counts(ids: npt.NDArray[Any], symbols: int) -> npt.NDArray[np.int64]:
    """Count how often each symbol comes in a text, [symbols]; a text in a file is read in parts."""
    counts = np.zeros(symbols, np.int64)
    for start in range(0, len(ids), _COUNTED_AT_ONCE):
        counts += np.bincount(ids[start : start + _COUNTED_AT_ONCE], minlength=symbols)
    return counts


class Vocabulary(ABC):
    """The symbols of a model, each a piece of text, by id.

    `ids`: the id of each symbol. `widths`: characters of each symbol as it is written, [symbols]. `lengths`: the same,
    but a custom emoji counts as one. `signs`: ids of punctuation and blank space. `learned`: the symbols that the
    model's own text has; the others are its parent's. If that is not known, it has all. Raises ValueError if a symbol
    occurs twice or is empty, or there is none; UserError if there are too many, or too long ones.
    """

    signs: tuple[int, ...] = ()

    def __init__(self, symbols: Sequence[str]) -> None:
        self.symbols = tuple(symbols)
        self.ids = {symbol: number for number, symbol in enumerate(self.symbols)}
        self.learned = frozenset(self.ids)
        if not self.symbols or "" in self.ids or len(self.ids) != len(self.symbols):
            raise ValueError("a vocabulary needs symbols, each of them once")
        self.widths = np.fromiter(map(len, self.symbols), np.int64, len(self.symbols))
        self.lengths = np.where([EMOJI.fullmatch(symbol) is not None for symbol in self.symbols], 1, self.widths)
        for what, number, most in (
            ("{:,} symbols", len(self.symbols), MOST_SYMBOLS),
            ("a symbol of {:,} characters", int(self.widths.max()), MOST_SYMBOL_CHARS),
            ("symbols of {:,} characters in all", int(self.widths.sum()), MOST_CHARS),
        ):
            if number > most:
                raise UserError(
                    f"That vocabulary has {what.format(number)}, and I can use at most {most:,}.",
                    "Take another model, or another text to learn from.",
                )

    @abstractmethod
    def encode(self, text: str) -> Ids:
        """Return the ids of a text, [symbols of it]; `UNKNOWN` (-1) for each character that the vocabulary lacks."""

    def decode(self, ids: Iterable[int]) -> str:
        """Return the text of ids. Raises IndexError if an id is not of this vocabulary."""
        return "".join(map(self.symbols.__getitem__, _numbers(ids).tolist()))

    def __len__(self) -> int:
        return len(self.symbols)


class CharVocabulary(Vocabulary):
    """A vocabulary of single characters and custom emoji. Raises ValueError also if a symbol is anything else."""

    def __init__(self, symbols: Sequence[str]) -> None:
        super().__init__(symbols)
        if self.lengths.max() > 1:
            raise ValueError("each symbol must be one character or a custom emoji")
        single = {symbol: number for symbol, number in self.ids.items() if len(symbol) == 1}
        self._points = to_points("".join(single))
        # One entry more than the greatest code point: all beyond are clipped to it.
        self._table = np.full(int(self._points.max(initial=0)) + 2, UNKNOWN, np.int32)
        self._table[self._points] = list(single.values())
        self.signs = tuple(i for sign, i in single.items() if category(sign)[0] in "PZ" or sign in "\n\t")

    def encode(self, text: str) -> Ids:
        """Return the ids of a text; a custom emoji that is no symbol is spelled out."""
        ids = np.take(self._table, to_points(text), mode="clip")
        kept = np.ones(len(ids), bool)
        for match in EMOJI.finditer(text):
            if (number := self.ids.get(match[0])) is not None:
                ids[match.start()] = number
                kept[match.start() + 1 : match.end()] = False
        return ids[kept]

    def decode(self, ids: Iterable[int]) -> str:
        has_emoji = len(self._points) < len(self)
        return super().decode(ids) if has_emoji else to_text(self._points[_numbers(ids)])


class WordVocabulary(Vocabulary):
    """A vocabulary of words and punctuation, with the space before them, custom emoji, and single characters."""

    def __init__(self, symbols: Sequence[str]) -> None:
        super().__init__(symbols)
        self._numbers = _Numbers((symbol, (number,)) for number, symbol in enumerate(self.symbols))

    def encode(self, text: str) -> Ids:
        """Return the ids of a text; a word that is no symbol is spelled out."""
        return np.fromiter(chain.from_iterable(map(self._numbers.__getitem__, split(text))), np.int32)


class _Numbers(dict[str, tuple[int, ...]]):
    """The ids of each symbol; for any other text, those of its characters."""

    def __missing__(self, text: str) -> tuple[int, ...]:
        return tuple(self.get(character, (UNKNOWN,))[0] for character in text)


def _numbers(ids: Iterable[int]) -> npt.NDArray[np.int64]:
    numbers = np.asarray(ids if isinstance(ids, np.ndarray) else list(ids), dtype=np.int64)
    if len(numbers) and numbers.min() < 0:
        raise IndexError("an unknown character has no text")
    return numbers


def make_vocabulary(recipe: str, symbols: Sequence[str]) -> Vocabulary:
    """Make the vocabulary of a recipe from its symbols, by id. Raises as `Vocabulary`."""
    return WordVocabulary(symbols) if recipe == "word" else CharVocabulary(symbols)
