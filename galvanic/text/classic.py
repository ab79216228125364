"""The recipe `classic`, the tutorial's: lower case, words only, without stop words, joined by spaces."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from galvanic.errors import UserError
from galvanic.source import Source, clean
from galvanic.text.recipe import UNICODE_SCALARS, Body, Recipe, ScoringText, Seed, adaptive_nats, known_seed
from galvanic.text.vocabulary import AnyIds, Ids, Vocabulary
from galvanic.units import count

WINDOW = 100  # characters that the network reads before it predicts one
LEAST_PATTERNS = 100


def words_only(text: str) -> str:
    r"""Apply the tutorial's pipeline: lower case, NLTK's tokens of `\w+`, no stop words, joined by single spaces."""
    from galvanic.text import tokens

    return " ".join(tokens.words(text.lower()))


def _kept_spans(lowered: str) -> list[tuple[int, int]]:
    from galvanic.text import tokens

    return tokens.word_spans(lowered)


def _words_of(pieces: Iterator[str]) -> Iterator[str]:
    """Apply `words_only` to a text in pieces, and yield the result in parts."""
    between = ""
    for piece in pieces:
        if words := words_only(piece):
            yield between + words
            between = " "


def windows(ids: AnyIds) -> AnyIds:
    """Return all windows with their next character, [patterns, WINDOW + 1]: a view of `ids`."""
    return np.lib.stride_tricks.sliding_window_view(ids, WINDOW + 1)


def pad(ids: Ids) -> Ids:
    """Return at least WINDOW ids: a shorter seed gets id 0 before it, which is the space (the tutorial's 0.0)."""
    return np.concatenate([np.zeros(max(0, WINDOW - len(ids)), np.int32), ids])


class ClassicRecipe(Recipe):
    """Reads a text as the tutorial does: windows of 100 characters, each id divided by the size of the vocabulary."""

    name = "classic"
    context = WINDOW
    holds_out = False  # the tutorial learns from all of its text

    def read(self, source: Source, hard_wrapped: bool | None) -> Body:  # noqa: ARG002
        body = Body(source, _words_of)
        if body.characters < WINDOW + LEAST_PATTERNS:
            raise UserError(
                f"Without stop words and punctuation, {count(body.characters, 'character')} would be left.",
                f"Give a longer text: `classic` needs at least {WINDOW + LEAST_PATTERNS} of them.",
            )
        return body

    def seed(self, seed: str, vocabulary: Vocabulary) -> Seed:
        body = words_only(clean(seed))
        if not body and not seed.strip():
            raise UserError("The seed is empty.", "Give a few words to continue.")
        if not body:
            raise UserError(
                "Nothing is left of your words: they are all stop words (such as 'the' and 'is') or punctuation.",
                "Give at least one other word.",
            )
        result = known_seed(body, vocabulary)
        read = vocabulary.decode(result.ids)
        notes = result.notes if read == seed else (*result.notes, f'The model reads your words as "{read}".')
        return Seed(pad(result.ids), notes)

    def scoring(self, text: str, vocabulary: Vocabulary, *, unwrapped: bool) -> ScoringText:  # noqa: ARG002
        """Turn a text to be scored into ids, and charge for its case, stop words, punctuation and spaces."""
        lowered, origin = _lowered(text)
        spans = _kept_spans(lowered)
        if not spans:
            raise UserError("The text to score has only stop words and punctuation.", "Give a longer one.")
        body = " ".join(lowered[start:end] for start, end in spans)
        side = _lost_nats(text)
        note = f"{side:,.0f} nats of the score are for the case, stop words, punctuation and spaces that it leaves out."
        # A space stands for all between the end of a word and the beginning of the next.
        places = [place for start, end in spans for place in range(start, end + 1)]
        starts = origin[places]
        lengths = np.maximum(1, np.diff(starts, append=0)[:-1])  # "İ" becomes two, which share it
        dropped = np.ones(len(text), bool)
        dropped[starts[:-1][lengths == 1]] = False
        dropped |= not dropped.any()  # nothing was dropped: case alone is spread over all
        return ScoringText(vocabulary.encode(body), dropped * (side / dropped.sum()), starts[:-1], lengths, (note,))


def _lowered(text: str) -> tuple[str, npt.NDArray[np.int64]]:
    """Return the text in lower case, and the place in the text of each of its characters, [len(lowered) + 1]."""
    lowered = text.lower()
    each = np.ones(len(text), np.int64) if len(lowered) == len(text) else [len(char.lower()) for char in text]
    return lowered, np.append(np.repeat(np.arange(len(text)), each), len(text))


def _lost_nats(text: str) -> float:
    """Return the nats that restore `text` from `words_only(text)`, by three adaptive codes without context.

    They tell which characters were kept, which of these were not in lower case, and what the dropped ones were.
    """
    # Lowered character by character, so that places stay the same ("İ" would become two).
    lowered = "".join(char.lower() if len(char.lower()) == 1 else char for char in text)
    kept = np.zeros(len(text), bool)
    for start, end in _kept_spans(lowered):
        kept[start:end] = True
    changed = sum(1 for char, low, keep in zip(text, lowered, kept, strict=True) if keep and char != low)
    dropped = Counter(char for char, keep in zip(text, kept, strict=True) if not keep)
    n_kept = int(kept.sum())
    return (
        adaptive_nats((n_kept, len(text) - n_kept))
        + adaptive_nats((n_kept - changed, changed))
        + adaptive_nats(dropped.values())
        + len(dropped) * math.log(UNICODE_SCALARS)  # the naming of each different one, once
    )
