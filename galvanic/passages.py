"""Passages for the quiz: one of the text that a model learned, among some that it wrote, alike in form.

A model file keeps windows of `WINDOW_SYMBOLS` of its text. With `char` they give passages of 60 to 95 characters.
"""

import random
from collections.abc import Callable

from galvanic.copying import copied_share
from galvanic.errors import UserError
from galvanic.generate import TextModel
from galvanic.request import WriteRequest
from galvanic.text.edges import LOOK, cut, drop_partial_word

MOST, LEAST = 200, 40  # characters of a passage
_TRIES = 6


def pick_passages(
    model: TextModel, written: int, blocked: Callable[[str], bool], until: float
) -> tuple[str, list[str]]:
    """Pick a real passage, and let the model write others, `written` in number.

    Returns the real passage, and the others. All begin with a whole word, are cut alike, and have single spaces or line
    ends. None is `blocked`, and nothing in the others is copied from a window (`copied_share`). Raises UserError if the
    model can give none, or can't by the time `until` (`time.monotonic`).
    """
    description, elsewhere = model.description, "Name another model of a book or a file."
    if description.learned_messages:
        raise UserError("This model learned from people's messages, which are not for guessing.", elsewhere)
    if model.recipe == "classic":
        raise UserError("A `classic` model takes the likeliest character, which everybody would see.", elsewhere)
    texts = [model.vocabulary.decode(window) for window in model.windows]
    for text in map(_normalised, random.SystemRandom().sample(texts, len(texts))):
        most = min(MOST, len(text) - LOOK)
        real = cut(text, most) if most >= LEAST else ""
        if len(real) >= LEAST // 2 and not blocked(real):
            break
    else:
        raise UserError("This model keeps no passage of its text that I could show.", elsewhere)
    others: dict[str, None] = {}
    for _ in range(_TRIES):
        request = WriteRequest(from_corpus=True, length=2 * most, until=until)
        for answer in model.generate_batch([request] * (written - len(others))):
            if isinstance(answer, UserError):
                raise answer
            passage = cut(_normalised(answer.text), most)
            copied = copied_share([passage], texts) > 0
            if len(passage) >= LEAST // 2 and not copied and not blocked(passage):
                others[passage] = None
        if len(others) == written:
            return real, list(others)
    raise UserError("This model copies its text, repeats itself or writes what is on the blocklist.", elsewhere)


def _normalised(text: str) -> str:
    """Replace blank space with one space, or with one line end if it has any, so that verse looks alike in all."""
    lines = (" ".join(line.split()) for line in drop_partial_word(text).split("\n"))
    return "\n".join(filter(None, lines))
