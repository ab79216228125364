"""Recipe `classic`: the tutorial's. Lower case, words only, stop words removed, joined by spaces."""

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
    r"""The tutorial's pipeline: lower case, NLTK's tokens of `\w+`, no stop words, joined by single spaces."""
    from galvanic.text import tokens

    return " ".join(tokens.words(text.lower()))


def _kept_spans(lowered: str) -> list[tuple[int, int]]:
    from galvanic.text import tokens

    return tokens.word_spans(lowered)


def _words_of(pieces: Iterator[str]) -> Iterator[str]:
    """`words_only` of a text, in parts."""
    between = ""
    for piece in pieces:
        if words := words_only(piece):
            yield between + words
            between = " "


def windows(ids: AnyIds) -> AnyIds:
    """All windows with their next character, [patterns, WINDOW + 1]: a view, nothing is copied."""
    return np.lib.stride_tricks.sliding_window_view(ids, WINDOW + 1)


def pad(ids: Ids) -> Ids:
    """At least WINDOW ids: a shorter seed is preceded by id 0, which is the space (the tutorial's 0.0)."""
    return np.concatenate([np.zeros(max(0, WINDOW - len(ids)), np.int32), ids])


class ClassicRecipe(Recipe):
    """The tutorial's: windows of 100 characters, each id divided by the size of the vocabulary."""

    name = "classic"
    context = WINDOW
    holds_out = False  # as the tutorial

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
        known = known_seed(body, vocabulary)
        read = vocabulary.decode(known.ids)
        notes = known.notes if read == seed else (*known.notes, f'The model reads your words as "{read}".')
        return Seed(pad(known.ids), notes)

    def scoring(self, text: str, vocabulary: Vocabulary, *, unwrapped: bool) -> ScoringText:  # noqa: ARG002
        """Case, stop words, punctuation and spacing are all paid for."""
        lowered, origin = _lowered(text)
        spans = _kept_spans(lowered)
        if not spans:
            raise UserError("The text to score has only stop words and punctuation.", "Give a longer one.")
        body = " ".join(lowered[start:end] for start, end in spans)
        side = _lost_nats(text)
        note = f"{side:,.0f} nats of the score are for the case, stop words, punctuation and spaces that it leaves out."
        # A space reaches from the end of one word to the beginning of the next.
        places = [place for start, end in spans for place in range(start, end + 1)]
        starts = origin[places]
        lengths = np.maximum(1, np.diff(starts, append=0)[:-1])  # "İ" becomes two, which share it
        dropped = np.ones(len(text), bool)
        dropped[starts[:-1][lengths == 1]] = False
        dropped |= not dropped.any()  # case alone
        return ScoringText(vocabulary.encode(body), dropped * (side / dropped.sum()), starts[:-1], lengths, (note,))


def _lowered(text: str) -> tuple[str, npt.NDArray[np.int64]]:
    """The text in lower case, and where in the text each of its characters comes from, [len(lowered) + 1]."""
    lowered = text.lower()
    each = np.ones(len(text), np.int64) if len(lowered) == len(text) else [len(char.lower()) for char in text]
    return lowered, np.append(np.repeat(np.arange(len(text)), each), len(text))


def _lost_nats(text: str) -> float:
    """Nats to restore `text` from `words_only(text)`: three adaptive codes without context, for which characters were
    kept, which of the kept were not in lower case, and what the dropped ones are."""
    # Character by character, so that places in the lowered text are places in the text ("İ" lowers to two).
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
