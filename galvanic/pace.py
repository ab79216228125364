"""The pace of a training: its clock, how fast its steps are, and when it will end."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from galvanic.plan import Plan

_WARM_UP_STEPS = 50
_UNTIMED_STEPS = 2
"""Steps at the start of an attempt that compile, and say nothing about the speed."""
_MEASURED_S = 3.0
"""So long an attempt must have learned before it says how long the rest takes."""


@dataclass
class Limits:
    """When to end at the latest, and when to save.

    Attributes:
        epochs: at most.
        minutes: at most; None: no clock.
        checkpoint_s: between two checkpoints: a training that is cut off loses no more.
    """

    epochs: int
    minutes: float | None
    checkpoint_s: float = 60.0


@dataclass
class Position:
    """Where a training stands; together with the arrays of a checkpoint this is all of it.

    Attributes:
        epoch, step: the running epoch, from 1, and how many of its steps are done.
        total_steps: steps done in all epochs.
        seconds: time spent, over all attempts.
        loss_sum, loss_count: over the predictions of the running epoch.
        best_epoch: whose weights are kept; 0: those that it began with.
        strays: how often the loss was no number.
        rate_share: of the planned learning rate, halved at each of these.
    """

    epoch: int = 1
    step: int = 0
    total_steps: int = 0
    seconds: float = 0.0
    loss_sum: float = 0.0
    loss_count: int = 0
    best_epoch: int = 0
    strays: int = 0
    rate_share: float = 1.0


class Pace:
    """Keeps the time of a training, and tells what is left of it.

    Args:
        plan: of the learner.
        limits: when to end.
        steps: of an epoch.

    Attributes:
        position: where the training stands; whoever makes the steps moves it on.
        step_s: seconds that a step takes; None: not known yet.
    """

    def __init__(self, plan: Plan, limits: Limits, steps: int) -> None:
        self.position = Position()
        self.step_s: float | None = None
        self._plan = plan
        self._limits = limits
        self._steps = steps
        self._steps_here = 0
        self._timed_from = 0.0
        self._clock = time.monotonic()

    def start(self) -> None:
        """From now on time passes."""
        self._clock = time.monotonic()

    def tick(self) -> None:
        """Add the time that has passed to the training's."""
        now = time.monotonic()
        self.position.seconds += now - self._clock
        self._clock = now

    @contextmanager
    def clock_stopped(self) -> Iterator[None]:
        """Whoever listens may be slow (Redis may be away): that is no time of the training's."""
        self.tick()
        yield
        self._clock = time.monotonic()

    def time_step(self, seconds: float) -> None:
        """A step took so long."""
        self._steps_here += 1
        if self._steps_here > _UNTIMED_STEPS:
            # A moving average over some tens of steps: the machine may be shared.
            self.step_s = seconds if self.step_s is None else 0.95 * self.step_s + 0.05 * seconds
        else:
            self.tick()
            self._timed_from = self.position.seconds

    def out_of_time(self) -> bool:
        """Whether the minutes are over."""
        return self._limits.minutes is not None and self.position.seconds >= self._limits.minutes * 60

    def done(self) -> float:
        """Share of the training that is done, by whichever limit comes first."""
        at = self.position
        by_steps = (at.epoch - 1 + at.step / self._steps) / self._limits.epochs
        by_clock = at.seconds / (self._limits.minutes * 60) if self._limits.minutes else 0.0
        return min(1.0, max(by_steps, by_clock))

    def rate(self) -> float:
        """The learning rate of the next step."""
        rate = self._plan.learning_rate * self.position.rate_share
        if self._plan.schedule == "constant":
            return rate
        warm = min(1.0, (self.position.total_steps + 1) / _WARM_UP_STEPS)
        return rate * warm * max(0.01, 0.5 * (1 + math.cos(math.pi * self.done())))

    def remaining(self) -> float | None:
        """Estimated seconds of learning to the end, what is done between epochs included; None: not known yet."""
        at = self.position
        timed_s, timed = at.seconds - self._timed_from, self._steps_here - _UNTIMED_STEPS
        if timed < 1 or timed_s < _MEASURED_S:
            return None
        left = ((self._limits.epochs - at.epoch + 1) * self._steps - at.step) * timed_s / timed
        return left if self._limits.minutes is None else max(0.0, min(left, self._limits.minutes * 60 - at.seconds))

    def planned_epochs(self) -> int:
        """How many epochs there will be, at the speed measured so far."""
        at = self.position
        if self._limits.minutes is None or self.step_s is None:
            return self._limits.epochs
        by_clock = max(0.0, self._limits.minutes * 60 - at.seconds) / self.step_s
        whole = at.epoch - 1 + (at.step + by_clock) / self._steps
        return max(at.epoch, min(self._limits.epochs, math.ceil(whole - 1e-6)))
