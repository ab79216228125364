"""`--mix a:0.7,b:0.3`: several models that write one text together."""

from __future__ import annotations

import math
from typing import NamedTuple

from shared.errors import UserError

MOST_PARTS = 8
_EXAMPLE = "Write it like `--mix frankenstein:0.7,alice:0.3`, after your words."
_HIGHEST = 1_000


class Part(NamedTuple):
    """A model's name, and its weight before the weights are made to sum to 1."""

    name: str
    weight: float


def parse(typed: str) -> tuple[Part, ...]:
    """The models of a mixture; without weights they have equal shares.

    Raises:
        UserError: names the part that is wrong.
    """
    pieces = [piece.strip() for piece in typed.split(",")]
    if not 2 <= len(pieces) <= MOST_PARTS:
        said = "only one model" if len(pieces) == 1 else f"{len(pieces)} models"
        raise UserError(f"`--mix` names {said}; it takes 2 to {MOST_PARTS}.", _EXAMPLE)
    parts = [_part(piece, place) for place, piece in enumerate(pieces, start=1)]
    bare = [name for name, weight in parts if weight is None]
    if bare and len(bare) < len(parts):
        raise UserError(
            f"In `--mix`, `{_shown(bare[0])}` has no weight and others have.", "Give all of them one, or none."
        )
    names = [name for name, _ in parts]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise UserError(f"`--mix` names `{_shown(twice)}` twice.", "Name each model once.")
    return tuple(Part(name, 1.0 if weight is None else weight) for name, weight in parts)


def _shown(typed: str) -> str:
    return typed[:40].replace("`", "")


def _part(piece: str, place: int) -> tuple[str, float | None]:
    name, colon, figure = (word.strip() for word in piece.partition(":"))
    shown = _shown(piece)
    if not name:
        raise UserError(f"Part {place} of `--mix` names no model.", _EXAMPLE)
    if " " in name or " " in figure:
        raise UserError(f"Part {place} of `--mix`, `{shown}`, is more than a name and a weight.", _EXAMPLE)
    if not colon:
        return name.lower(), None
    try:
        weight = float(figure)
    except ValueError:
        weight = math.nan
    if not 0 < weight <= _HIGHEST:
        raise UserError(
            f"Part {place} of `--mix`, `{shown}`, has no usable weight.",
            f"A weight is a number above 0 and up to {_HIGHEST:,}. {_EXAMPLE}",
        )
    return name.lower(), weight
