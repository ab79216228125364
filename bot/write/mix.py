"""`--mix a:0.7,b:0.3` and `mix a 70 b 30`: several models that write one text together."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import NamedTuple

from bot.options.checks import each_once
from bot.words import as_typed, code
from galvanic.errors import UserError

MOST_PARTS = 8
_HIGHEST = 1_000
_SHARE = r"\d{0,9}\.?\d{1,9}"
_PART = re.compile(rf"([^\s:]+)(?:\s*:\s*({_SHARE}))?")
_PAIR = re.compile(rf"([A-Za-z0-9][\w-]{{0,31}})[\s:]+({_SHARE})\s*%?,?(?=\s|$)")


class Part(NamedTuple):
    """`weight` is the share before the shares are made to sum to 1."""

    name: str
    weight: float


def parse(typed: str) -> tuple[Part, ...]:
    """The value of `--mix`; models without shares get equal ones. Raises `UserError` with the part that is wrong."""
    example = "Write it like `--mix frankenstein:0.7,alice:0.3`, after your words."
    pieces = [piece.strip() for piece in typed.split(",")]
    if not 2 <= len(pieces) <= MOST_PARTS:
        said = "only one model" if len(pieces) == 1 else f"{len(pieces)} models"
        raise UserError(f"`--mix` names {said}; it takes 2 to {MOST_PARTS}.", example)
    parts: list[tuple[str, str | None]] = []
    for place, piece in enumerate(pieces, start=1):
        found = _PART.fullmatch(piece)
        if found is None or (found[2] and not 0 < float(found[2]) <= _HIGHEST):
            raise UserError(
                f"Part {place} of `--mix`, {code(piece)}, isn't a model with a usable share.",
                f"A share is a number above 0 and up to {_HIGHEST:,}. {example}",
            )
        parts.append((found[1].lower(), found[2]))
    bare = [name for name, share in parts if share is None]
    if bare and len(bare) < len(parts):
        raise UserError(f"In `--mix`, {code(bare[0])} has no share, but others do.", "Give all of them one, or none.")
    return checked([(name, float(share or 1)) for name, share in parts], "`--mix`")


def checked(parts: Sequence[tuple[str, float]], what: str = "The mixture") -> tuple[Part, ...]:
    """Raises `UserError` when a model is named twice."""
    each_once(what, [code(name) for name, _ in parts])
    return tuple(Part(*part) for part in parts)


def parse_words(typed: str, known: Collection[str], prefix: str) -> tuple[tuple[Part, ...], str]:
    """Parts and words to continue of `frankenstein 70 alice 30 the sea`; raises `UserError`.

    After two parts only a name in `known` begins another one, so that `chapter 12` belongs to the text.
    """
    parts: list[tuple[str, float]] = []
    rest = typed.strip()
    while pair := _PAIR.match(rest):
        name, weight = pair[1].lower(), float(pair[2])
        if len(parts) >= 2 and name not in known:
            break
        if not 0 < weight <= _HIGHEST:
            raise UserError(f"The share of {code(name)} is {pair[2][:12]}.", f"It is above 0 and up to {_HIGHEST:,}.")
        parts.append((name, weight))
        rest = rest[pair.end() :].lstrip()
    if not 2 <= len(parts) <= MOST_PARTS:
        shares = ("first", "frankenstein", "first_share", "70", "second", "alice", "second_share", "30")
        raise UserError(
            f"A mixture takes 2 to {MOST_PARTS} models, each with a share; you named {len(parts) or 'none'}.",
            f"Write it like `{as_typed(prefix, 'mix', *shares, 'seed', 'the sea')}`.",
        )
    return checked(parts), rest
