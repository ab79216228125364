"""Recipe `char`: the text as written, character by character."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from galvanic.source import Source
from galvanic.text.body import Body, IdsWriter, grown, read_scoring, read_seed
from galvanic.text.recipe import Prepared, ScoringText, Seed, TextOptions, held_out
from galvanic.text.vocabulary import CharVocabulary, Vocabulary


class CharRecipe:
    """The text as written; prose that is wrapped for a fixed width is unwrapped."""

    name = "char"

    def prepare(self, source: Source, options: TextOptions, workdir: Path | None) -> Prepared:
        """See `Recipe.prepare`."""
        body = Body(source, options)
        vocabulary = CharVocabulary(grown(options.known, list(body.alphabet)))
        table = vocabulary.table()
        writer = IdsWriter(len(vocabulary), workdir)
        for points in body:
            writer.append(np.take(table, points, mode="clip"))
        heldout = held_out(body.characters, options.heldout)
        learned = body.characters - heldout
        return Prepared(
            recipe=self.name,
            ids=writer.ids(),
            vocabulary=vocabulary,
            learned=learned,
            learned_chars=learned,
            heldout_chars=heldout,
            patterns=learned - 1,
            unwrapped=body.unwrapped,
            notes=body.notes,
        )

    def seed(self, seed: str, vocabulary: Vocabulary) -> Seed:
        """See `Recipe.seed`."""
        return read_seed(seed, vocabulary)

    def scoring(self, text: str, vocabulary: Vocabulary, *, unwrapped: bool) -> ScoringText:
        """See `Recipe.scoring`."""
        return read_scoring(text, vocabulary, unwrapped=unwrapped)
