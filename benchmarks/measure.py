"""Time several things in turns, and count their arithmetic."""

import statistics
import time
from collections.abc import Callable, Iterable, Mapping

from galvanic.plan import NetworkConfig

PAUSE_S = 0.1
"""Seconds between two turns, after which threads that spin when they have no work sleep."""


def seconds(work: Callable[[], object]) -> float:
    """Return the seconds that a piece of work takes."""
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def alternate(
    contestants: Mapping[str, Callable[[], Iterable[float]]], rounds: int, pause_s: float = PAUSE_S
) -> dict[str, list[float]]:
    """Time all contestants in turns, so that other load on the machine meets each of them.

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
    """Return a turn of `alternate`: it does the work so many times, after a few that are not timed."""

    def turn() -> list[float]:
        for _ in range(untimed):
            work()
        return [seconds(work) for _ in range(times)]

    return turn


def medians(times: Mapping[str, list[float]]) -> dict[str, float]:
    """Return the median time of each contestant."""
    return {name: statistics.median(values) for name, values in times.items()}


def percentile(values: list[float], percent: int) -> float:
    """Return the value that so many per cent of all don't exceed, interpolated."""
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]


def training_flops(network: NetworkConfig, batch: int, length: int) -> int:
    """Count the floating-point operations of the matrix products in a training step of a network that reads streams.

    A multiply-add counts as two. The backward pass makes every product twice, for its two factors. The embedding, which
    is looked up, and element-wise operations don't count.
    """
    matrices = [shape for name, shape in network.shapes().items() if name.endswith("kernel")]
    forward = sum(2 * rows * columns for rows, columns in matrices) * batch * length
    return 3 * forward


def product_flops(size: int) -> int:
    """Count the floating-point operations of the product of two square matrices."""
    return 2 * size**3
