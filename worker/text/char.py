"""Recipe `char`: the text as written, character by character."""

from __future__ import annotations

import math

from shared.errors import UserError
from worker.text import normalise
from worker.text.codelength import adaptive_nats
from worker.text.recipes import Prepared, ScoringText, Seed, TextOptions, known_seed, split_at
from worker.text.vocabulary import Vocabulary

LEAST_CHARS = 200
"""Below this there is nothing to hold out and little to learn."""
HELDOUT = 0.1


class CharRecipe:
    """The text as written; prose that is wrapped for a fixed width is unwrapped."""

    name = "char"

    def prepare(self, text: str, options: TextOptions) -> Prepared:
        """See `Recipe.prepare`. The last tenth is held out."""
        cleaned = normalise.clean(text)
        wrapped = normalise.looks_hard_wrapped(cleaned) if options.hard_wrapped is None else options.hard_wrapped
        body = normalise.unwrap(cleaned) if wrapped else cleaned
        if len(body) < LEAST_CHARS or not body.strip():
            raise UserError(
                f"The text has {len(body):,} characters, too few to learn from.",
                f"Give one of at least {LEAST_CHARS:,}; a model gets good from about 100,000.",
            )
        vocabulary = Vocabulary.of(body)
        share = HELDOUT if options.heldout is None else options.heldout
        learned = split_at(len(body), share)
        unwrapped = body != cleaned
        notes = ("Lines broken for a fixed width were joined into paragraphs.",) if unwrapped else ()
        return Prepared(self.name, vocabulary.encode(body), vocabulary, learned, learned - 1, unwrapped, notes)

    def seed(self, seed: str, vocabulary: Vocabulary) -> Seed:
        """See `Recipe.seed`."""
        cleaned = normalise.clean(seed)
        if not cleaned:
            raise UserError("The seed is empty.", "Give a few words to go on from.")
        return known_seed(cleaned, vocabulary)

    def scoring(self, text: str, vocabulary: Vocabulary, *, unwrapped: bool) -> ScoringText:
        r"""See `Recipe.scoring`.

        `\r\n` throughout counts as one way of writing `\n`. A model of unwrapped text reads wrapped text
        unwrapped, and pays for telling which spaces were line breaks.
        """
        if not text:
            raise UserError("The text to score is empty.", "Give one with some characters.")
        body, side = text, 0.0
        notes: list[str] = []
        if "\r\n" in body and body.count("\r\n") == body.count("\n"):
            body, side = body.replace("\r\n", "\n"), side + math.log(2)
        if unwrapped and normalise.looks_hard_wrapped(body):
            joined = normalise.unwrap(body)
            spaces, breaks = body.count(" "), joined.count(" ") - body.count(" ")
            cost = math.log(2) + adaptive_nats((spaces, breaks))
            notes.append(f"{cost:,.0f} nats of the score tell where lines of fixed width were broken.")
            body, side = joined, side + cost
        return ScoringText(vocabulary.encode(body), len(text), side, tuple(notes))
