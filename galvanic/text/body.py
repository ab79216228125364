"""The recipes `char` and `word`: the text as written, with the lines of wrapped paragraphs joined."""

import itertools
import math
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np

from galvanic.emoji import named
from galvanic.errors import UserError
from galvanic.options import RecipeName
from galvanic.source import Source, clean, pieces
from galvanic.text.recipe import Body, Recipe, ScoringText, Seed, adaptive_nats, known_seed
from galvanic.text.signs import in_known_signs
from galvanic.text.vocabulary import Vocabulary, split
from galvanic.units import count

LEAST_CHARS = 200  # with fewer, nothing can be held out, and little learned
SAMPLE = 4_000_000  # characters at the beginning of a text that its width is measured on
# A line break comes from wrapping if the next line's first word would not have fitted into the line. In prose that a
# machine wrapped nearly all do, in verse and chat few; and verse begins its lines with capitals. Books have many
# editors: the width may vary by a tenth from one chapter to another.
_TOLERANCE = 0.9
_WRAPPED_SHARE = 0.75
_CAPITALS_SHARE = 0.6
_LEAST_BREAKS = 5
_LEAST_WIDTH, _MOST_WIDTH = 55, 120
_LONGEST_WORD = 30


def _full(lines: list[str], width: int) -> int:
    """Count the lines of a paragraph into which the next line's first word would not have fitted."""
    full = 0
    for line, following in itertools.pairwise(lines):
        room = _TOLERANCE * width - len(line.strip()) - 1
        # Longer "words" are whole lines of a script without spaces, where this says nothing.
        full += room < 1 or room < len(following.split(None, 1)[0]) <= _LONGEST_WORD
    return full


def _runs(text: str) -> Iterator[tuple[bool, list[str]]]:
    """Yield runs of lines that are not blank (paragraphs, with True) and runs of blank ones (with False)."""
    for filled, lines in itertools.groupby(text.split("\n"), lambda line: bool(line) and not line.isspace()):
        yield filled, list(lines)


def wrapping(parts: Iterable[str]) -> tuple[int, bool]:
    """Measure the width of a text's lines, given in `pieces`, on its first `SAMPLE` characters.

    The width is the 98th percentile of the lengths of lines that are not blank. Returns also whether most paragraphs
    are wrapped at that width, as in Project Gutenberg's books.
    """
    paragraphs: list[list[str]] = []
    characters = 0
    for part in parts:
        paragraphs += [lines for filled, lines in _runs(part) if filled]
        characters += len(part)
        if characters >= SAMPLE:
            break
    lengths = sorted(len(line.rstrip()) for lines in paragraphs for line in lines)
    width = lengths[int(0.98 * (len(lengths) - 1))] if lengths else 0
    # In a script that has hardly any spaces, a line break does not stand for one.
    spaces = sum(line.strip().count(" ") for lines in paragraphs for line in lines)
    if not _LEAST_WIDTH <= width <= _MOST_WIDTH or spaces * _LONGEST_WORD < sum(lengths):
        return width, False
    breaks, full = sum(len(lines) - 1 for lines in paragraphs), sum(_full(lines, width) for lines in paragraphs)
    capitals = sum(line.lstrip()[0].isupper() for lines in paragraphs for line in lines[1:])
    hard = breaks >= _LEAST_BREAKS and full >= _WRAPPED_SHARE * breaks and capitals <= _CAPITALS_SHARE * breaks
    return width, hard


def unwrap(text: str, width: int) -> str:
    """Replace the line breaks inside paragraphs of prose with spaces; the length stays the same.

    `text`: one of a text's `pieces`. `width`: that of the text, by `wrapping`. It decides for each paragraph, so that
    verse and lists within a book keep their lines.
    """
    if not _LEAST_WIDTH <= width <= _MOST_WIDTH:
        return text
    joined: list[str] = []
    for filled, lines in _runs(text):
        if filled and len(lines) > 1:
            lines = [(" " if 2 * _full(lines, width) >= len(lines) - 1 else "\n").join(lines)]
        joined += lines
    return "\n".join(joined)


MOST_WORDS = 8_000  # symbols of more than one character; rarer words are spelled out
_FREQUENCIES = ((1_000_000, 5), (0, 3))
"""Least characters of the text, and how often a word must come in it to be a symbol. A rarer one can hardly be learned
as a symbol, and its letters tell more."""
_MOST_COUNTED = 300_000  # different words counted at once: large texts have millions, nearly all of which come once


class CharRecipe(Recipe):
    """Reads a text character by character, as written; the lines of wrapped prose are joined."""

    name: RecipeName = "char"

    def read(self, source: Source, hard_wrapped: bool | None) -> Body:
        width = 0
        if hard_wrapped is not False:
            measured, hard = wrapping(pieces(source))
            width = measured if hard or hard_wrapped else 0
        unwrapped = width > 0 and any(unwrap(piece, width) != piece for piece in pieces(source))
        body = Body(source, lambda parts: (unwrap(part, width) for part in parts), unwrapped=unwrapped)
        if body.characters < LEAST_CHARS or not body.alphabet.strip():
            raise UserError(
                f"The text has {count(body.characters, 'character')}, too few to learn from.",
                f"Give one of at least {LEAST_CHARS:,}; 100,000 and more give good results.",
            )
        return body

    def seed(self, seed: str, vocabulary: Vocabulary) -> Seed:
        cleaned = named(clean(seed), vocabulary.ids)
        if not cleaned:
            raise UserError("The seed is empty.", "Give a few words to continue.")
        return known_seed(in_known_signs(cleaned, vocabulary).text, vocabulary)

    def scoring(self, text: str, vocabulary: Vocabulary, *, unwrapped: bool) -> ScoringText:
        """Turn a text to be scored into ids, and charge for signs and line breaks that the model reads otherwise."""
        if not text:
            raise UserError("The text to score is empty.", "Give one with some characters.")
        in_signs = in_known_signs(text, vocabulary)
        body, side = in_signs.text, in_signs.nats
        notes: list[str] = []
        if side.any():
            notes.append(f"{_bits(side.sum())} of the score are for how quotes, dashes and ellipses are written.")
        width, hard = wrapping(pieces(body)) if unwrapped else (0, False)
        if hard:
            joined = "".join(unwrap(piece, width) for piece in pieces(body))
            spaces, breaks = body.count(" "), joined.count(" ") - body.count(" ")
            cost = math.log(2) + adaptive_nats((spaces, breaks))
            notes.append(f"{_bits(cost)} of the score are for the positions of line breaks.")
            body, side = joined, side + cost / len(text)
        ids = vocabulary.encode(body)
        lengths = np.where(ids >= 0, vocabulary.widths[ids], 1)
        ends = np.cumsum(lengths)
        starts, ends = in_signs.starts[ends - lengths], in_signs.ends[ends - 1]
        return ScoringText(ids, side, starts, ends - starts, tuple(notes))


def _bits(nats: float) -> str:
    return count(round(nats / math.log(2)), "bit")


class WordRecipe(CharRecipe):
    """Reads a text word by word: each frequent word or punctuation mark, with the space before it, is a symbol, and
    all else is spelled out.

    The tokens are those of NLTK's `WordPunctTokenizer`. All blank space is kept, so that a model's symbols joined are a
    text.
    """

    name = "word"

    def symbols(self, body: Body, characters: int) -> list[str]:
        """Return all characters and custom emoji, and the frequent words of the part to learn from."""
        return [*super().symbols(body, characters), *_words(body, characters)]

    def seed(self, seed: str, vocabulary: Vocabulary) -> Seed:
        """Turn a seed into ids, without a space at its end: the model's words bring their own."""
        open_end = seed.endswith(" ") and bool(seed.strip())
        body = seed[:-1] if open_end else seed
        first = next(iter(split(body)), "")
        if len(first) > 1 and not first.isspace():
            symbols = set(vocabulary.symbols)
            if first not in symbols and f" {first}" in symbols:
                body = f" {body}"  # the model has the word only with a space before it
        return replace(super().seed(body, vocabulary), open_end=open_end)


def _words(body: Body, characters: int) -> list[str]:
    """Return the frequent words of a text's first `characters`, in the order of code points."""
    counts: Counter[str] = Counter()
    read = seldom = 0
    for text in body:
        counts.update(split(text[: characters - read]))
        read += len(text)
        if len(counts) > _MOST_COUNTED:
            seldom += 1
            counts = Counter({word: count for word, count in counts.items() if count > seldom})
        if read >= characters:
            break
    least = next(least for size, least in _FREQUENCIES if characters >= size)
    frequent = [(word, count) for word, count in counts.items() if len(word) > 1 and count >= least]
    frequent.sort(key=lambda item: (-item[1], item[0]))
    return sorted(word for word, _ in frequent[:MOST_WORDS])
