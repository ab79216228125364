"""Letters that can be written in several ways: as one code point or with accents of their own, and in two cases."""

from collections.abc import Iterator
from unicodedata import combining, normalize

from galvanic.emoji import EMOJI
from galvanic.text.vocabulary import Vocabulary


def other_forms(symbol: str) -> Iterator[str]:
    """Yield a letter or word in the other case, then also without its accents: for É, é before E and e."""
    plain = "".join(part for part in normalize("NFKD", symbol) if not combining(part))
    for form in (symbol, plain):
        yield from (form, form.casefold(), form.swapcase(), form.capitalize())


def in_known_letters(text: str, vocabulary: Vocabulary) -> str:
    """Write each character that the vocabulary lacks in another form, and a tab or line break as a space, if it can."""

    def known(char: str) -> str:
        forms = (char, normalize("NFD", char), *other_forms(char), " " if char.isspace() else char)
        return next((form for form in forms if form and vocabulary.ids.keys() >= set(form)), char)

    parts = EMOJI.split(text)  # a custom emoji is a symbol, whose letters the vocabulary may lack
    return "".join(part if part in vocabulary.ids else "".join(map(known, part)) for part in parts)
