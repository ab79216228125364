"""A passage of the text that a model learned among some that it wrote, alike in form: for a game of telling them apart.

A file keeps windows of `WINDOW_SYMBOLS` of its text: with `char` that leaves passages of some 60 to 95 characters.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection

from galvanic.copying import RUN, copy_score
from galvanic.errors import UserError
from galvanic.generate import AS_THE_TUTORIAL, TextModel
from galvanic.request import WriteRequest
from galvanic.text.edges import LOOK, begun, cut

MOST, LEAST = 200, 40  # characters of a passage
_TRIES = 6


def draw(
    model: TextModel, written: int, used: Collection[int], blocked: Callable[[str], bool], until: float
) -> tuple[int, str, list[str]]:
    """The number of a window that is not `used`, its passage, and so many that the model wrote behind random windows.

    All begin behind a blank space and are cut alike, blank space is one space or line end, none is `blocked`, and no
    row of `RUN` characters of a written one stands in the windows. Raises UserError where there are none, or not by
    `until`.
    """
    description, elsewhere = model.description, "Name another model of a book or a file."
    if description.marks or description.corpus.source == "channel":
        raise UserError("This model learned from people's messages, which are not for guessing.", elsewhere)
    if model.recipe in AS_THE_TUTORIAL:
        raise UserError("A `classic` model takes the likeliest character, which everybody would see.", elsewhere)
    texts = [model.vocabulary.decode(window) for window in model.windows]
    for number in random.SystemRandom().sample(range(len(texts)), len(texts)):
        most = min(MOST, len(_evened(texts[number])) - LOOK)
        real = cut(_evened(texts[number]), most) if most >= LEAST and number not in used else ""
        if len(real) >= LEAST // 2 and not blocked(real):
            break
    else:
        if used:
            raise UserError("Every passage that I keep of this text was shown.", "`/quiz start_over:True` begins anew.")
        raise UserError("This model keeps no passage of its text that I could show.", elsewhere)
    found: dict[str, None] = {}
    for _ in range(_TRIES):
        request = WriteRequest(from_corpus=True, length=2 * most, until=until)
        for one in model.generate_batch([request] * (written - len(found))):
            if isinstance(one, UserError):
                raise one
            passage = cut(_evened(one.text), most)
            copied = copy_score([passage], texts).longest >= RUN
            if len(passage) >= LEAST // 2 and not copied and not blocked(passage):
                found[passage] = None
        if len(found) == written:
            return number, real, list(found)
    raise UserError("This model copies its text, repeats itself or writes what is on the blocklist.", elsewhere)


def _evened(text: str) -> str:
    """Make blank space one space, or one line end where it has any: else capitals within a line would show verse."""
    lines = (" ".join(line.split()) for line in begun(text).split("\n"))
    return "\n".join(filter(None, lines))
