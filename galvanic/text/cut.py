"""Taking a part of a text."""

from __future__ import annotations

import re

from galvanic.errors import UserError


def until_line(text: str, start: str) -> str:
    """The text before the last line that begins with `start`.

    The last, because a table of contents has the same line first.

    Raises:
        UserError: no line begins so.
    """
    places = [match.start() for match in re.finditer(rf"^{re.escape(start)}", text, flags=re.MULTILINE)]
    if not places or not start:
        raise UserError(
            f'No line of the text begins with "{start}".', "Give the beginning of a line as it stands in the text."
        )
    return text[: places[-1]]
