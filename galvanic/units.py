"""Units of what people set and read."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from galvanic.results import Writer

MEGABYTE = 1_000_000  # bytes, as disks and downloads are sold, and as every setting and message counts them
_MOST_NATS = 20.0  # of a foreign file's loss, which may be anything


def count(number: int, thing: str) -> str:
    """`1 layer`, `2 layers`."""
    return f"{number:,} {thing}" + ("" if number == 1 else "s")


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
    return f"before learning{writers[by]}"
