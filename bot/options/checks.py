"""Checks of options as people type them."""

from __future__ import annotations

import re
from typing import TypeVar

from bot.escape import code
from bot.servers.access import require_permissions as require_permissions
from bot.types import Context as Context
from shared.errors import UserError

_N = TypeVar("_N", int, float)

SEED_LIMIT = 2_000
NAME_PATTERN = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")


def seed(words: str) -> str:
    """Raises UserError: the words to continue are too long."""
    if len(words) > SEED_LIMIT:
        raise UserError(f"That seed is {len(words):,} characters long.", f"Use at most {SEED_LIMIT:,}.")
    return words


def in_range(name: str, value: _N | None, low: _N, high: _N) -> _N | None:
    """`value` if it is within the limits, both inclusive. Raises UserError: out of range."""
    if value is not None and not low <= value <= high:
        shown = f"{value:g}" if isinstance(value, float) else str(value)
        shown = shown if len(shown) <= 12 else f"{shown[:12]}…"
        raise UserError(
            f"`--{name}` is {shown}, which is out of range.",
            f"Choose a value from {as_limit(low)} to {as_limit(high)}.",
        )
    return value


def as_limit(number: float) -> str:
    """A limit as people read it: `4,096`, `0.9`."""
    return f"{number:,}" if isinstance(number, int) else f"{number:,.6f}".rstrip("0").rstrip(".")


def model_name(value: str | None) -> str | None:
    """A valid name for a model, in lower case. Raises UserError: other characters, or too long."""
    if value is None:
        return None
    name = value.strip().lower()
    if not NAME_PATTERN.fullmatch(name):
        raise UserError(
            f"{code(value, 60)} isn't a valid model name.",
            "Use up to 32 characters (a-z, 0-9, `-`, `_`), starting with a letter or digit.",
        )
    return name
