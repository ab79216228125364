"""Option `--mix a:0.7,b:0.3`: several models write one text together."""

from __future__ import annotations

import re

from bot.options.checks import each_once, several
from bot.words import code
from galvanic.errors import UserError

MOST_PARTS = 8
_EXAMPLE = "frankenstein:0.7,alice:0.3"
_HIGHEST = 1_000
_SHARE = r"\d{0,9}\.?\d{1,9}"
_PART = re.compile(rf"([^\s:]+)(?:\s*:\s*({_SHARE}))?")


def parse(typed: str) -> dict[str, float]:
    """Return the models' shares by name, from the value of `--mix`; models without shares get equal ones.

    The shares need not sum to 1. Raises UserError with the part that is wrong.
    """
    parts: list[tuple[str, str | None]] = []
    for item in several("mix", typed, MOST_PARTS, _EXAMPLE):
        match = _PART.fullmatch(item)
        if match is None or (match[2] and not 0 < float(match[2]) <= _HIGHEST):
            raise UserError(
                f"{code(item)} in `--mix` isn't a model with a usable share.",
                f"A share is a number above 0 and up to {_HIGHEST:,}. Write it like `--mix {_EXAMPLE}`.",
            )
        parts.append((match[1], match[2]))
    bare = [name for name, share in parts if share is None]
    if bare and len(bare) < len(parts):
        raise UserError(f"In `--mix`, {code(bare[0])} has no share, but others do.", "Give all of them one, or none.")
    each_once("`--mix`", [code(name) for name, _ in parts])
    return {name: float(share or 1) for name, share in parts}
