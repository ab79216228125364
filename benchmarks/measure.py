"""Timing things in turns, and counting their arithmetic."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable, Mapping

from galvanic.plan import NetworkConfig

PAUSE_S = 0.1
"""Between the turns of two contestants: threads that spin after their work are to be asleep by then."""


def seconds(work: Callable[[], object]) -> float:
    """How long a piece of work takes."""
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def alternate(
    contestants: Mapping[str, Callable[[], Iterable[float]]], rounds: int, pause_s: float = PAUSE_S
) -> dict[str, list[float]]:
    """Let all contestants take turns, so that whatever else the machine does falls on each of them.

    Args:
        contestants: by name; each call is one turn and gives the times measured in it.
        rounds: turns of each.

    Returns:
        All times, by name. The first round warms up and is not counted.
    """
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for number in range(rounds + 1):
        for name, turn in contestants.items():
            measured = list(turn())
            if number:
                times[name] += measured
            time.sleep(pause_s)
    return times


def repeated(work: Callable[[], object], times: int, untimed: int = 0) -> Callable[[], list[float]]:
    """A turn of `alternate`: the work done so many times, after a few that are not timed."""

    def turn() -> list[float]:
        for _ in range(untimed):
            work()
        return [seconds(work) for _ in range(times)]

    return turn


def medians(times: Mapping[str, list[float]]) -> dict[str, float]:
    """The median of each contestant."""
    return {name: statistics.median(values) for name, values in times.items()}


def percentile(values: list[float], percent: int) -> float:
    """The value that so many per cent of all do not exceed, interpolated."""
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]


def training_flops(network: NetworkConfig, batch: int, length: int) -> int:
    """Floating-point operations of the matrix products in one training step of a network that reads streams.

    A multiply-add counts as two; the backward pass does every product twice, for its two factors. The embedding,
    which is a table that is looked up, and everything element by element count as nothing.
    """
    matrices = [shape for name, shape in network.shapes().items() if name.endswith("kernel")]
    forward = sum(2 * rows * columns for rows, columns in matrices) * batch * length
    return 3 * forward


def product_flops(size: int) -> int:
    """Floating-point operations of the product of two square matrices."""
    return 2 * size**3
