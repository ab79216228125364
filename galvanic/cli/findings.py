"""The findings of `doctor`: its own, and those of plugins."""

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """The value begins the finding's line."""

    OK = "ok"
    MEND = "mend"  # works, but not as it should
    BROKEN = "BROKEN"


@dataclass(frozen=True)
class Finding:
    """A line of `galvanic doctor`: something that is fine, or a problem and its remedy."""

    level: Level
    problem: str  # a sentence for a person who reads no logs
    remedy: str = ""
