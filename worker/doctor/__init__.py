"""Whether an installation can work, and what to do where it cannot: facts are gathered, then judged, then told."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """The value begins the finding's line."""

    OK = "ok"
    NOTE = "note"
    MEND = "mend"
    """Works, but not as it should."""
    BROKEN = "BROKEN"
    """Does not work at all until it is mended."""


@dataclass(frozen=True)
class Finding:
    topic: str
    level: Level
    problem: str  # a sentence for a person who reads no logs
    remedy: str = ""
    commands: tuple[str, ...] = ()  # to be typed in this order
