"""How long a training took, as the worker notes it and the bot reads it to foresee the next ones."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from shared.jobs import RecipeName

KEPT = 100
"""Entries of `keys.HISTORY`."""


class Past(BaseModel):
    """A training that ended well.

    Attributes:
        chars: length of its text.
        asked_epochs, units, allowed_s: what was chosen: epochs, LSTM units, seconds at most; None: nothing.
        epochs: those it began.
        used_s: seconds of learning.
        beside_s: seconds spent on the rest: reading the text, writing samples. None: not known, it was interrupted.
        cut_short: a person finished it.
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
