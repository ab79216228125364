"""Write numbers with their units, as people read them."""

import math

from galvanic.results import Sample

MEGABYTE = 1_000_000  # bytes, as disks and downloads are sold, and as every setting and message counts them
_MOST_NATS = 20.0  # limit for a loss from a foreign file, which may be anything
_MOST_SECONDS = 1e9  # limit for the duration of its training


def count(number: int, thing: str, things: str = "") -> str:
    """Write a number of things: `1 layer`, `2 layers`. `things`: a plural that has more than an `s`, as `people`."""
    return f"{number:,} {thing if number == 1 else things or f'{thing}s'}"


def bits(nats: float) -> str:
    """Write a loss in bits, as every card names it."""
    return f"{nats / math.log(2):.2f} bits per character"


def duration(seconds: float) -> str:
    """Write a duration as `48 s`, `3 min 05 s` or `1 h 20 min`."""
    rounded = max(0, round(min(seconds, _MOST_SECONDS)))
    if rounded < 60:
        return f"{rounded} s"
    if rounded < 3_600:
        return f"{rounded // 60} min {rounded % 60:02d} s"
    return f"{rounded // 3_600} h {rounded % 3_600 // 60:02d} min"


def course(epochs: int, seconds: float, stopped: str, before: int = 0) -> str:
    """Say how many epochs a training took, how long, and why it ended. `before`: epochs of the models before it."""
    ran = f"{count(epochs, 'epoch')}, {duration(seconds)}"
    went = {
        "early": f"{ran}, stopped when unseen text got no better",
        "time": f"{ran}, stopped by the time limit",
        "finish": f"{ran}, finished on request",
    }.get(stopped, ran)
    return f"{went}; the models before it: {count(before, 'epoch')}" if before else went


def choosing(nats: float) -> str:
    """Explain a loss by its perplexity, in plain words."""
    choices = math.exp(min(nats, _MOST_NATS))
    number = f"{choices:.1f}" if choices < 10 else f"{choices:,.0f}"
    return f"as if choosing among {number} equally likely characters"


def written(sample: Sample, start: str) -> str:
    """Say when a sample was written, and by what. `start`: the model that the training began with."""
    if sample.epoch:
        return f"{'in' if sample.midway else 'after'} epoch {sample.epoch}"
    writers = {
        "table": ", from letter counts alone",
        "network": f", by {start}",
        "both": f", by {start} and letter counts",
        None: "",
    }
    return f"before training{writers[sample.by]}"
