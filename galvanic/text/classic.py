"""The recipe `classic`, the tutorial's: lower case, words only, without stop words, joined by spaces."""

from collections.abc import Iterator

import numpy as np

from galvanic.emoji import EMOJI
from galvanic.errors import UserError
from galvanic.source import Source, clean
from galvanic.text.recipe import Body, Recipe, ScoringText, Seed, known_seed
from galvanic.text.vocabulary import AnyIds, Ids, Vocabulary
from galvanic.units import count

WINDOW = 100  # characters that the network reads before it predicts one
LEAST_PATTERNS = 100


def words_only(text: str) -> str:
    r"""Apply the tutorial's pipeline: lower case, NLTK's tokens of `\w+`, no stop words, joined by single spaces."""
    from galvanic.text import tokens

    return " ".join(tokens.words(EMOJI.sub(" ", text).lower()))  # a custom emoji has digits that nobody wrote


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
        raise UserError(
            "Models of the recipe `classic` can't score a text: they read it without case, stop words and punctuation.",
            "Take a model of the recipe `char` or `word`.",
        )
