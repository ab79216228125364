"""Signs that can be written in several ways: quotes, apostrophes, dashes and ellipses. A model may have one of them."""

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from galvanic.text.recipe import adaptive_nats
from galvanic.text.vocabulary import Vocabulary

_FORMS = (("'", "’", "‘"), ('"', "”", "“", "„"), ("--", "—", "–"), ("...", "…"))
"""The ways to write each sign: plainly, and as books print it, closing quotes first. Where „ opens, “ closes."""
_WAYS = {form: forms for forms in _FORMS for form in forms}
_SIGN = re.compile("|".join(map(re.escape, _WAYS)))
_BEFORE_OPENING = frozenset("([{‘“—–- \n\t")


@dataclass(frozen=True)
class InSigns:
    """A text in the signs that a model has.

    `starts`, `ends`: the characters of the text as given that each of `text` stands for, [len(text)]; characters that
    replaced the same one share it. `nats`: cost of which sign was written in which way, by `adaptive_nats`, spread over
    the replaced ones, [characters as given].
    """

    text: str
    starts: npt.NDArray[np.int64]
    ends: npt.NDArray[np.int64]
    nats: npt.NDArray[np.float64]


def in_known_signs(text: str, vocabulary: Vocabulary) -> InSigns:
    """Write each sign that the model did not learn in another way: one that it learned, or else one that it has."""
    parts: list[str] = []
    starts: list[npt.NDArray[np.int64]] = []
    ends: list[npt.NDArray[np.int64]] = []
    written: defaultdict[str, Counter[str]] = defaultdict(Counter)  # by the sign read: counts of the signs written
    replaced = np.zeros(len(text), bool)
    at = 0
    has = {form for form in _WAYS if min(vocabulary.encode(form)) >= 0}
    learned = {form for form in has if vocabulary.learned >= set(form)}
    for match in _SIGN.finditer(text):
        start, end = match.span()
        read = _known(match[0], start == 0 or text[start - 1] in _BEFORE_OPENING, (learned, has))
        written[read][match[0]] += 1
        if read != match[0]:
            replaced[start:end] = True
            parts += [text[at:start], read]
            starts += [np.arange(at, start), np.full(len(read), start)]
            ends += [np.arange(at, start) + 1, np.full(len(read), end)]
            at = end
    rest = np.arange(at, len(text))
    # Signs that were written in another way than they are read.
    nats = sum(
        adaptive_nats([ways[form] for form in _WAYS[read]]) for read, ways in written.items() if set(ways) != {read}
    )
    each = replaced * (nats / max(1, replaced.sum()))
    return InSigns(
        "".join([*parts, text[at:]]), np.concatenate([*starts, rest]), np.concatenate([*ends, rest + 1]), each
    )


def _known(form: str, opening: bool, choices: Sequence[set[str]]) -> str:
    """Return the way to write a sign that the first possible one of `choices` has."""
    plain, *printed = _WAYS[form]
    ways: tuple[str, ...] = (form, plain, *(reversed(printed) if opening else printed))
    for choice in choices:
        # Nobody knows of a sign of several characters that it was learned, and where “ and ” are, „ is a quotation.
        german = not choice.issuperset("“”")
        for way in ways:
            if way in choice and (way == form or (len(way) == 1 and (german or way != "„"))):
                return way
    return next((way for way in ways if any(way in choice for choice in choices)), form)
