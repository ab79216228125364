"""How long the steps of a training take: counted where they are made, at the price of a bisection for each.

Imports nothing heavy, and nothing of the metrics: the engine works without them.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Upper limits in seconds: a step took 2 ms on a GPU with a small network, and 0.3 s on two cores with a large one."""


@dataclass
class StepTimes:
    """Steps by their time.

    Attributes:
        counts: for each of `BUCKETS`, and one more for what is above all.
        total_s: of all steps, in seconds.
    """

    counts: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS) + 1))
    total_s: float = 0.0

    def add(self, seconds: float) -> None:
        """Count a step."""
        self.counts[bisect_left(BUCKETS, seconds)] += 1
        self.total_s += seconds

    def take(self) -> StepTimes:
        """What was counted since the last call."""
        taken = StepTimes(self.counts, self.total_s)
        self.counts, self.total_s = [0] * (len(BUCKETS) + 1), 0.0
        return taken

    def include(self, other: StepTimes) -> None:
        """Count the steps of another one, too."""
        self.counts = [own + more for own, more in zip(self.counts, other.counts, strict=True)]
        self.total_s += other.total_s


STEPS = StepTimes()
"""Of this process: one training runs in it."""
