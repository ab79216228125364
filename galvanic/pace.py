"""The schedule of a training: its learning rate, its clock, and when it will end."""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from galvanic.plan import Plan

_WARM_UP_STEPS = 50
_UNTIMED_STEPS = 2  # at the start of an attempt: they compile, and say nothing about the speed
_MEASURED_S = 3.0  # so long an attempt must have learned before it estimates the rest


@dataclass
class Position:
    """The place that a training has reached: with a checkpoint's arrays, all that a resumed training needs."""

    epoch: int = 1  # from 1
    step: int = 0  # steps done in this epoch
    total_steps: int = 0
    seconds: float = 0.0  # over all attempts
    loss_sum: float = 0.0  # over the predictions of this epoch, in nats
    loss_count: int = 0  # number of these predictions
    rate_share: float = 1.0  # factor of the planned learning rate, less after each lowering
    lowered: int = 0  # the last epoch after which the rate was lowered because the loss fell no more


class Pace:
    """The clock of a training: its time limit, its learning rate, and the estimated end.

    `epochs`, `minutes`: the limits; minutes None: no time limit. The loop moves `position` on.
    """

    def __init__(self, plan: Plan, steps: int, epochs: int, minutes: float | None, position: Position) -> None:
        self.epochs = epochs
        self.limit_s = math.inf if minutes is None else minutes * 60
        self.position = position
        self.step_s: float | None = None  # seconds that a step takes; None: not known yet
        self._plan = plan
        self._steps = steps
        self._steps_here = 0
        self._timed_from = 0.0
        self._clock = time.monotonic()

    def start(self) -> None:
        self._clock = time.monotonic()

    def tick(self) -> None:
        time_now = time.monotonic()
        self.position.seconds += time_now - self._clock
        self._clock = time_now

    @contextmanager
    def clock_stopped(self) -> Iterator[None]:
        """Do not count the time within the block: hooks may be slow."""
        self.tick()
        yield
        self._clock = time.monotonic()

    def time_step(self, seconds: float) -> None:
        self._steps_here += 1
        if self._steps_here > _UNTIMED_STEPS:
            # A moving average over some tens of steps: the machine may be shared.
            self.step_s = seconds if self.step_s is None else 0.95 * self.step_s + 0.05 * seconds
        else:
            self.tick()
            self._timed_from = self.position.seconds

    def out_of_time(self) -> bool:
        return self.position.seconds >= self.limit_s

    def done(self) -> float:
        """Return the share of the training that is done, by the limit that comes first."""
        at = self.position
        by_steps = (at.epoch - 1 + at.step / self._steps) / self.epochs
        return min(1.0, max(by_steps, at.seconds / self.limit_s))

    def rate(self) -> float:
        """Return the learning rate now: the plan's, times `rate_share`. Unless the plan keeps it constant, it rises
        linearly, then falls along a cosine to a hundredth at the planned end (Loshchilov & Hutter 2017)."""
        rate = self._plan.learning_rate * self.position.rate_share
        if self._plan.schedule == "constant":
            return rate
        warm = min(1.0, (self.position.total_steps + 1) / _WARM_UP_STEPS)
        return rate * warm * max(0.01, 0.5 * (1 + math.cos(math.pi * self.done())))

    def remaining(self) -> float | None:
        """Estimate the seconds to the end, pauses between epochs included; None: not known yet."""
        at = self.position
        timed_s, timed = at.seconds - self._timed_from, self._steps_here - _UNTIMED_STEPS
        if timed < 1 or timed_s < _MEASURED_S:
            return None
        seconds = ((self.epochs - at.epoch + 1) * self._steps - at.step) * timed_s / timed
        return max(0.0, min(seconds, self.limit_s - at.seconds))

    def planned_epochs(self) -> int:
        """Return the number of epochs that there is time for, at the speed measured so far."""
        at = self.position
        if self.limit_s == math.inf or self.step_s is None:
            return self.epochs
        by_clock = max(0.0, self.limit_s - at.seconds) / self.step_s
        possible = at.epoch - 1 + (at.step + by_clock) / self._steps
        return max(at.epoch, min(self.epochs, math.ceil(possible - 1e-6)))
