"""Formatting that all cards share: colours, times, counts, losses. Pure functions."""

from __future__ import annotations

import math
from dataclasses import dataclass

from bot.errors import error_embed as error
from bot.escape import AMBER, BLURPLE, DESCRIPTION_LIMIT, FIELD_LIMIT, GREEN, GREY, RED, TITLE_LIMIT, clipped, plain
from shared.jobs import TrainJob

__all__ = [
    "AMBER", "BLURPLE", "DESCRIPTION_LIMIT", "FIELD_LIMIT", "GREEN", "GREY", "RED", "TITLE_LIMIT", "error",
]  # fmt: skip
BAR_CELLS = 20
SAMPLE_CHARS = 280
NO_FILES = "I'm missing the permission Attach Files here. A server admin can give it to my role."


@dataclass(frozen=True)
class Estimate:
    """An expected span; `sure`: from a measured pace, otherwise only what a time limit allows."""

    seconds: float
    sure: bool


def bar(share: float) -> str:
    full = round(BAR_CELLS * min(1.0, max(0.0, share)))
    return "█" * full + "░" * (BAR_CELLS - full)


def duration(seconds: float) -> str:
    """`48 s`, `3 min 05 s`, `1 h 20 min`."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3_600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3_600} h {whole % 3_600 // 60:02d} min"


def about(seconds: float) -> str:
    """`under a minute`, `about 12 min`, `about 3 h`."""
    return "under a minute" if seconds < 60 else f"about {_coarse(round(seconds / 60))}"


def ordinal(number: int) -> str:
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def in_line(place: int, waiting: int, begins: Estimate | None) -> str:
    """`2nd of 5 waiting, begins in about 12 min`; `place` counts from 0."""
    where = "next in line" if not place else f"{ordinal(place + 1)} of {waiting} waiting"
    if begins is None:
        return where
    if begins.seconds < 1:
        return f"{where}, begins in a moment"
    return f"{where}, begins in {span(begins)}"


def span(estimate: Estimate) -> str:
    """`about 12 min`, or `at most 12 min` when it is only a limit."""
    if estimate.sure:
        return about(estimate.seconds)
    return "at most a minute" if estimate.seconds <= 60 else f"at most {_coarse(math.ceil(estimate.seconds / 60))}"


def limit(minutes: float) -> str:
    """`at most 1.5 minutes`."""
    return f"at most {minutes:g} minute" + ("" if minutes == 1 else "s")


def _coarse(minutes: int) -> str:
    return f"{minutes} min" if minutes < 100 else f"{minutes / 60:.1f}".removesuffix(".0") + " h"


def bits(nats: float | None) -> str:
    """A loss in bits per character, with nats beside it."""
    return "…" if nats is None else f"{nats / math.log(2):.2f} bits ({nats:.3f} nats)"


def quote(text: str) -> str:
    """A sample as a block quote that fits an embed field."""
    short = text.strip()[:SAMPLE_CHARS].rstrip()
    lines = [plain(line) for line in short.splitlines() if line.strip()] or ["…"]
    return "\n".join(f"> {line}" for line in lines)[:FIELD_LIMIT]


def figure(value: float) -> str:
    """As one would type it as an option: whole numbers with all digits."""
    return str(value) if isinstance(value, int) else f"{value:g}"


def percent(share: float) -> str:
    return "less than 1 %" if share < 0.005 else f"{100 * share:.0f} %"


def short_title(job: TrainJob) -> str:
    return clipped(job.corpus.title[:100], TITLE_LIMIT - 30)
