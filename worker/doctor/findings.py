"""Findings, and how they are printed on a terminal."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import TextIO

_WIDTH = 110
_INDENT = " " * 9
_PLAIN = "\x1b[0m"


class Level(StrEnum):
    """The value begins the finding's line."""

    OK = "ok"
    NOTE = "note"
    MEND = "mend"
    """Works, but not as it should."""
    BROKEN = "BROKEN"
    """Does not work at all until it is mended."""


_COLOURS = {Level.OK: "\x1b[32m", Level.NOTE: "\x1b[2m", Level.MEND: "\x1b[33m", Level.BROKEN: "\x1b[1;31m"}


@dataclass(frozen=True)
class Finding:
    topic: str
    level: Level
    problem: str  # a sentence for a person who reads no logs
    remedy: str = ""
    commands: tuple[str, ...] = ()  # to be typed in this order


def lines(findings: Iterable[Finding], *, colour: bool) -> list[str]:
    told: list[str] = []
    for finding in findings:
        word = f"{finding.level:<{len(_INDENT)}}"
        first, *rest = _wrapped(finding.problem)
        told.append(f"{_COLOURS[finding.level]}{word}{_PLAIN}{first}" if colour else f"{word}{first}")
        told += [_INDENT + line for line in rest + _wrapped(finding.remedy)]
        told += [f"{_INDENT}    {command}" for command in finding.commands]
    return told


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH - len(_INDENT), break_on_hyphens=False, break_long_words=False)


def summary(findings: Iterable[Finding], trains_on: str) -> str:
    """`trains_on`: what a training runs on here, for people."""
    to_mend = [finding.level for finding in findings if finding.level in (Level.MEND, Level.BROKEN)]
    if not to_mend:
        return f"All good: trains on {trains_on}."
    said = f"{len(to_mend)} thing{'' if len(to_mend) == 1 else 's'} to mend"
    if Level.BROKEN in to_mend:
        return f"{said}; what says BROKEN comes first."
    return f"{said}. Until then it trains on {trains_on}."


def wants_colour(stream: TextIO) -> bool:
    """Whether it is a terminal, and NO_COLOR (https://no-color.org) is not set."""
    return stream.isatty() and not os.environ.get("NO_COLOR")
