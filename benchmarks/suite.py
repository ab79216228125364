"""Summarise the trainings of the suite."""

import statistics
from typing import Any, Literal

from benchmarks.keys import MEANS, SUITE, default_key, nats_key, ppmd_key
from benchmarks.record import Record

_RIVALS: tuple[tuple[str, Literal["frozen", "adaptive"], float], ...] = (
    ("ppmd_frozen", "frozen", 0.0),
    ("ppmd", "adaptive", 0.03),
)
"""Name in the keys; which PPMd; nats per character by which a text may be behind without being counted."""


def means(results: dict[str, Any]) -> Record:
    """Return the means over the suite, and errors for texts without results.

    The texts are compared with PPMd after 15 minutes from scratch.
    """
    record = Record()
    processors = {results["parts"][name]["machine"].get("cpu") for name in _parts(results)}
    if len(processors) > 1:
        record.errors[MEANS] = f"measured on different processors ({', '.join(sorted(map(str, processors)))})"
        return record
    for key, key_of in (("quality.suite_mean_nats", nats_key), ("quality.suite_mean_default_nats", default_key)):
        if lacking := [text for text in SUITE if key_of(text) not in results]:
            record.errors[key] = f"not measured yet: {', '.join(lacking)}"
        else:
            record.values[key] = statistics.fmean(results[key_of(text)] for text in SUITE)
    for rival, kind, margin in _RIVALS:
        key = f"quality.suite_mean_over_{rival}"
        if lacking := [t for t in SUITE if nats_key(t) not in results or ppmd_key(t, kind) not in results["raw"]]:
            record.errors[key] = f"not measured yet: {', '.join(lacking)}"
            continue
        over = {text: results[nats_key(text)] - results["raw"][ppmd_key(text, kind)] for text in SUITE}
        record.values[key] = statistics.fmean(over.values())
        record.values[f"quality.suite_behind_{rival}"] = sum(nats > margin for nats in over.values())
        record.raw |= {f"quality.suite_over_{rival}.{text}": nats for text, nats in over.items()}
    return record


def _parts(results: dict[str, Any]) -> list[str]:
    """Return the trainings of the suite that have results."""
    return [name for text in SUITE for name in (text, f"default-{text}") if name in results["parts"]]
