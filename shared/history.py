"""How long a training took, as the worker notes it and the bot reads it to foresee the next ones."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from galvanic.options import RecipeName

KEPT = 100
"""Entries of `keys.HISTORY`."""


class Past(BaseModel):
    """A training that ended well.

    `asked_epochs`, `units` and `allowed_s` (seconds) are what was chosen; None: nothing. `epochs`: those it began.
    `used_s`: seconds of learning; `beside_s`: of the rest, reading the text and writing samples; None: it was
    interrupted. `cut_short`: a person finished it.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    recipe: RecipeName
    chars: int
    asked_epochs: int | None = None
    units: int | None = None
    allowed_s: float | None = None
    epochs: int
    used_s: float
    beside_s: float | None = None
    cut_short: bool = False
