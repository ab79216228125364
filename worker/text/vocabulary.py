"""The characters that a model knows, and their numbers."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

Ids = npt.NDArray[np.int32]
UNKNOWN = -1
_CODEC = "utf-32-le"


def _codepoints(text: str) -> npt.NDArray[np.uint32]:
    return np.frombuffer(text.encode(_CODEC, "surrogatepass"), dtype="<u4")


class Vocabulary:
    """Characters in the order of their code points; the position of each is its id.

    Args:
        characters: each once, in any order.

    Raises:
        ValueError: a character occurs twice, or there is none.
    """

    def __init__(self, characters: str) -> None:
        points = np.unique(_codepoints(characters))
        if len(points) != len(characters) or not len(points):
            raise ValueError("a vocabulary needs characters, each of them once")
        self._points = points

    @classmethod
    def of(cls, text: str) -> Vocabulary:
        """The vocabulary of a text that is not empty."""
        return cls(np.unique(_codepoints(text)).astype("<u4").tobytes().decode(_CODEC, "surrogatepass"))

    @property
    def characters(self) -> str:
        """All characters in the order of their ids."""
        return self._points.astype("<u4").tobytes().decode(_CODEC, "surrogatepass")

    def __len__(self) -> int:
        return len(self._points)

    def __contains__(self, character: object) -> bool:
        return isinstance(character, str) and len(character) == 1 and self.encode(character)[0] != UNKNOWN

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Vocabulary) and np.array_equal(self._points, other._points)

    def __hash__(self) -> int:
        return hash(self.characters)

    def encode(self, text: str) -> Ids:
        """Ids of the characters, shape [len(text)]; `UNKNOWN` (-1) for one that the vocabulary lacks."""
        points = _codepoints(text)
        ids = np.minimum(np.searchsorted(self._points, points), len(self._points) - 1)
        return np.where(self._points[ids] == points, ids, UNKNOWN).astype(np.int32)

    def decode(self, ids: Iterable[int]) -> str:
        """The text of ids of this vocabulary.

        Raises:
            IndexError: an id is not of this vocabulary.
        """
        numbers = np.asarray(list(ids) if not isinstance(ids, np.ndarray) else ids, dtype=np.int64)
        if len(numbers) and numbers.min() < 0:
            raise IndexError("an unknown character has no text")
        return self._points[numbers].astype("<u4").tobytes().decode(_CODEC, "surrogatepass")
