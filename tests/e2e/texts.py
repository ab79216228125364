"""Texts for end-to-end tests, made up on the spot: enough grammar for a small network to catch on to."""

import random

_WHO = ("the tide", "the harbour", "an old sailor", "the lamp", "a gull", "the rope", "my sister", "the fog")
_DOES = ("watches", "forgets", "carries", "mends", "follows", "answers", "counts", "wakes")
_WHAT = ("the boats", "every stone", "a quiet bell", "the long wall", "two letters", "the evening", "its own name")
_WHEN = ("at dawn", "when it rains", "before supper", "all winter", "without a word", "once a year")


def harbour(sentences: int = 220, random_seed: int = 1) -> str:
    """About 40 characters a sentence, in short paragraphs."""
    draw = random.Random(random_seed)
    text = []
    for number in range(sentences):
        sentence = f"{draw.choice(_WHO)} {draw.choice(_DOES)} {draw.choice(_WHAT)} {draw.choice(_WHEN)}."
        text.append(sentence.capitalize() + ("\n\n" if number % 5 == 4 else " "))
    return "".join(text)
