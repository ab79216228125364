"""Units of what people set and read."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from galvanic.results import Writer

MEGABYTE = 1_000_000  # bytes, as disks and downloads are sold, and as every setting and message counts them
_MOST_NATS = 20.0  # of a foreign file's loss, which may be anything
_MOST_SECONDS = 1e9  # of its training


def count(number: int, thing: str) -> str:
    """`1 layer`, `2 layers`."""
    return f"{number:,} {thing}" + ("" if number == 1 else "s")


def bits(nats: float) -> str:
    """Write a loss in bits, as every card names it."""
    return f"{nats / math.log(2):.2f} bits per character"


def duration(seconds: float) -> str:
    """Write a duration as `48 s`, `3 min 05 s` or `1 h 20 min`."""
    whole = max(0, round(min(seconds, _MOST_SECONDS)))
    if whole < 60:
        return f"{whole} s"
    if whole < 3_600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3_600} h {whole % 3_600 // 60:02d} min"


def course(epochs: int, seconds: float, stopped: str, before: int = 0) -> str:
    """Say how many epochs a training took, how long, and why it ended. `before`: epochs of the models before it."""
    whole = f"{count(epochs, 'epoch')}, {duration(seconds)}"
    went = {
        "done": whole,
        "early": f"{whole}, stopped when unseen text got no better",
        "time": f"{whole}, stopped by the time limit",
        "finish": f"{whole}, finished on request",
    }.get(stopped, whole)
    return f"{went}; the models before it: {count(before, 'epoch')}" if before else went


def choosing(nats: float) -> str:
    """What a loss means, in plain words: its perplexity."""
    choices = math.exp(min(nats, _MOST_NATS))
    said = f"{choices:.1f}" if choices < 10 else f"{choices:,.0f}"
    return f"as if choosing among {said} equally likely characters"


def written(epoch: int, by: Writer | None, start: str) -> str:
    """When a sample was written, and by what. `start`: the model that the training began with."""
    if epoch:
        return f"after epoch {epoch}"
    writers = {
        "table": ", from letter counts alone",
        "network": f", by {start}",
        "both": f", by {start} and letter counts",
        None: "",
    }
    return f"before training{writers[by]}"
