"""Recipe `word`: frequent words and punctuation as one symbol each, with the space before them; the rest spelled out.

Tokens are those of NLTK's `WordPunctTokenizer`. All blank space is kept, so that what a model writes needs no joining.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np

from galvanic.source import Source
from galvanic.text.body import Body, CharRecipe, IdsWriter, grown
from galvanic.text.recipe import Prepared, Seed, TextOptions, held_out
from galvanic.text.vocabulary import Vocabulary, WordVocabulary, split

MOST_WORDS = 8_000  # symbols of more than one character; of longer lists the rarest are spelled out
_FREQUENCIES = ((1_000_000, 5), (0, 3))
"""(characters at least, how often a word must be seen to be a symbol). What is rarer can hardly be learned as a
symbol, and its letters tell more."""
_MOST_COUNTED = 300_000  # different words at once: a hundred megabytes have millions, nearly all seen once


class WordRecipe(CharRecipe):
    """The text as written, word by word; prose that is wrapped for a fixed width is unwrapped."""

    name = "word"

    def prepare(self, source: Source, options: TextOptions, workdir: Path | None) -> Prepared:
        """Words are counted in the part to learn from alone."""
        body = Body(source, options)
        learned_most = body.characters - held_out(body.characters, options.heldout)
        symbols = [*body.alphabet, *_words(body, learned_most)]
        vocabulary = WordVocabulary(grown(options.known, symbols))
        writer = IdsWriter(len(vocabulary), workdir)
        lengths = vocabulary.lengths
        learned = learned_chars = 0
        for text in body:
            ids = vocabulary.encode(text)
            writer.append(ids)
            if learned_chars < learned_most:
                ends = learned_chars + np.cumsum(lengths[ids])
                within = int(np.searchsorted(ends, learned_most, side="right"))
                learned += within
                learned_chars = int(ends[within - 1]) if within else learned_chars
                if within < len(ids):  # the symbol across the border is held out, and all behind it
                    learned_most = learned_chars
        return Prepared(
            recipe=self.name,
            ids=writer.ids(),
            vocabulary=vocabulary,
            learned=learned,
            learned_chars=learned_chars,
            heldout_chars=body.characters - learned_chars,
            patterns=learned - 1,
            unwrapped=body.unwrapped,
            notes=body.notes,
        )

    def seed(self, seed: str, vocabulary: Vocabulary) -> Seed:
        """A space at the end is left to the model, whose words bring their own; and a first word that it only knows
        with a space before it gets one."""
        open_end = seed.endswith(" ") and bool(seed.strip())
        body = seed[:-1] if open_end else seed
        first = next(iter(split(body)), "")
        if len(first) > 1 and not first.isspace():
            known = set(vocabulary.symbols)
            if first not in known and f" {first}" in known:
                body = f" {body}"
        return replace(super().seed(body, vocabulary), open_end=open_end)


def _words(body: Body, characters: int) -> list[str]:
    """The words of the first so many characters that are to be symbols, by code point."""
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
