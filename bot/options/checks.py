"""Checks of values as people type them. All raise UserError: what was typed, and what would do."""

import math
import re
from collections.abc import Sequence

from bot.words import code
from galvanic.errors import UserError
from galvanic.options import STARTS

SEED_LIMIT = 2_000
NAME_PATTERN = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
HOTTEST = 2.0
TEMPERATURE_STEP = 0.2  # step of the buttons Hotter and Cooler
_TEMPERATURES = "0.4,0.8,1.2"
_MIX = "frankenstein:0.7,alice:0.3"
_MOST_MIXED, _HIGHEST_SHARE = 8, 1_000
_PART = re.compile(r"([^\s:]+)(?:\s*:\s*(\d{0,9}\.?\d{1,9}))?")


def seed(words: str) -> str:
    """Return the words to continue. Raises UserError if they are too long."""
    if len(words) > SEED_LIMIT:
        raise UserError(f"Your words have {len(words):,} characters.", f"Use at most {SEED_LIMIT:,} characters.")
    return words


def in_range(name: str, value: float | None, low: float, high: float) -> None:
    """Check an option's value (None: it was left out); both limits are inclusive. Raises UserError."""
    if value is not None and not low <= value <= high:
        shown = f"{value:g}" if isinstance(value, float) else str(value)
        shown = shown if len(shown) <= 12 else f"{shown[:12]}…"
        raise UserError(
            f"`--{name}` is {shown}, which is out of range.",
            f"Choose a value from {as_limit(low)} to {as_limit(high)}.",
        )


def as_limit(number: float) -> str:
    """A limit as people read it: `4,096`, `0.9`."""
    return f"{number:,}" if isinstance(number, int) else f"{number:,.6f}".rstrip("0").rstrip(".")


def model_name(typed: str) -> str:
    """A valid name for a model, in lower case."""
    name = typed.strip().lower()
    if not NAME_PATTERN.fullmatch(name):
        raise UserError(
            f"{code(typed, 60)} isn't a valid model name.",
            "Use up to 32 characters (a-z, 0-9, `-`, `_`), starting with a letter or digit.",
        )
    if name in STARTS:
        raise UserError(f"No model can be called `{name}`: it is what `--from {name}` means.", "Choose another name.")
    return name


def temperature(typed: str, remedy: str = f"Choose a number from 0 to {HOTTEST:g}.", where: str = "") -> float:
    """A temperature, with a point or a comma. `where`: words that say where it was typed."""
    try:
        number = float(typed.strip().replace(",", "."))
    except ValueError:
        number = math.nan
    if not 0 <= number <= HOTTEST:
        raise UserError(f"{code(typed)}{where} isn't a valid temperature.", remedy)
    return number


def several(name: str, typed: str | None, most: int, example: str) -> tuple[str, ...]:
    """Split a comma-separated list of at least two; empty when the option was left out."""
    if typed is None:
        return ()
    items = tuple(item.strip().lower() for item in typed.split(",") if item.strip())
    if not 2 <= len(items) <= most:
        number = "only one" if len(items) == 1 else str(len(items))
        raise UserError(f"`--{name}` names {number}; it takes 2 to {most}.", f"Write it like `--{name} {example}`.")
    each_once(f"`--{name}`", [code(item) for item in items])
    return items


def temperatures(typed: str | None, most: int) -> tuple[float, ...]:
    """Read a comma-separated list of temperatures, as `several`."""
    remedy = f"Choose numbers from 0 to {HOTTEST:g}, as in `--temperatures {_TEMPERATURES}`."
    where = " in `--temperatures`"
    numbers = [temperature(item, remedy, where) for item in several("temperatures", typed, most, _TEMPERATURES)]
    each_once("`--temperatures`", [f"{number:g}" for number in numbers])
    return tuple(numbers)


def shares(typed: str) -> dict[str, float]:
    """Return the models' shares by name, from the value of `--mix`; models without shares get equal ones.

    The shares need not sum to 1. Raises UserError, with the part that is wrong.
    """
    parts: list[tuple[str, str | None]] = []
    for item in several("mix", typed, _MOST_MIXED, _MIX):
        match = _PART.fullmatch(item)
        if match is None or (match[2] and not 0 < float(match[2]) <= _HIGHEST_SHARE):
            raise UserError(
                f"{code(item)} in `--mix` isn't a model with a usable share.",
                f"A share is a number above 0 and up to {_HIGHEST_SHARE:,}. Write it like `--mix {_MIX}`.",
            )
        parts.append((match[1], match[2]))
    bare = [name for name, share in parts if share is None]
    if bare and len(bare) < len(parts):
        raise UserError(f"In `--mix`, {code(bare[0])} has no share, but others do.", "Give all of them one, or none.")
    each_once("`--mix`", [code(name) for name, _ in parts])
    return {name: float(share or 1) for name, share in parts}


def each_once(what: str, items: Sequence[str]) -> None:
    """Refuse an item that is named twice. `items`: as they are shown. Raises UserError."""
    twice = next((item for item in items if items.count(item) > 1), None)
    if twice is not None:
        raise UserError(f"{what} names {twice} twice.", "Give each one once.")
