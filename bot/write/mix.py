"""Option `--mix a:0.7,b:0.3`: several models write one text together."""

from __future__ import annotations

import re
from typing import NamedTuple

from bot.options.checks import each_once
from bot.words import code
from galvanic.errors import UserError

MOST_PARTS = 8
_HIGHEST = 1_000
_SHARE = r"\d{0,9}\.?\d{1,9}"
_PART = re.compile(rf"([^\s:]+)(?:\s*:\s*({_SHARE}))?")


class Part(NamedTuple):
    """A model of a mixture. `weight`: its share, before the shares are made to sum to 1."""

    name: str
    weight: float


def parse(typed: str) -> tuple[Part, ...]:
    """Read the value of `--mix`; models without shares get equal ones. Raises UserError with the part that is wrong."""
    example = "Write it like `--mix frankenstein:0.7,alice:0.3`, after your words."
    pieces = [piece.strip() for piece in typed.split(",")]
    if not 2 <= len(pieces) <= MOST_PARTS:
        number = "only one model" if len(pieces) == 1 else f"{len(pieces)} models"
        raise UserError(f"`--mix` names {number}; it takes 2 to {MOST_PARTS}.", example)
    parts: list[tuple[str, str | None]] = []
    for place, piece in enumerate(pieces, start=1):
        match = _PART.fullmatch(piece)
        if match is None or (match[2] and not 0 < float(match[2]) <= _HIGHEST):
            raise UserError(
                f"Part {place} of `--mix`, {code(piece)}, isn't a model with a usable share.",
                f"A share is a number above 0 and up to {_HIGHEST:,}. {example}",
            )
        parts.append((match[1].lower(), match[2]))
    bare = [name for name, share in parts if share is None]
    if bare and len(bare) < len(parts):
        raise UserError(f"In `--mix`, {code(bare[0])} has no share, but others do.", "Give all of them one, or none.")
    each_once("`--mix`", [code(name) for name, _ in parts])
    return tuple(Part(name, float(share or 1)) for name, share in parts)
