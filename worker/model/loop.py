"""The training loop: epochs, clock, best weights, checkpoints, and the person who may stop it.

Knows nothing of how a step is made; that is the learner's.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import structlog

from shared.errors import UserError
from shared.events import Progress, Sample
from worker.model import checkpoint
from worker.model.checkpoint import grouped, within
from worker.model.learners import Learner
from worker.model.network import Weights
from worker.model.plan import Plan
from worker.model.results import CurvePoint, Hooks, Stopped, TrainingCancelled, TrainingInterrupted

PROGRESS_EVERY_S = 0.5
SAMPLE_EVERY_S = 5.0
CHECKPOINT_EVERY_S = 60.0
_WARM_UP_STEPS = 50
_UNTIMED_STEPS = 2
"""Steps at the start of an attempt that compile, and say nothing about the speed."""

log = structlog.get_logger()


@dataclass
class Limits:
    """When to end at the latest. `minutes` None: no clock."""

    epochs: int
    minutes: float | None


@dataclass
class Position:
    """Where a training stands; together with the arrays of a checkpoint this is all of it.

    Attributes:
        epoch, step: the running epoch, from 1, and how many of its steps are done.
        total_steps: steps done in all epochs.
        seconds: time spent, over all attempts.
        loss_sum, loss_count: over the predictions of the running epoch.
        best_epoch: whose weights are kept; 0 before the first.
    """

    epoch: int = 1
    step: int = 0
    total_steps: int = 0
    seconds: float = 0.0
    loss_sum: float = 0.0
    loss_count: int = 0
    best_epoch: int = 0


class Loop:
    """Runs a learner to its end.

    Args:
        learner: makes the steps.
        plan: of the learner.
        limits: when to end.
        hooks: whom to tell, and who may stop it.
        sample: writes a few lines with the learner's present weights.
        folder: for checkpoints; None: none are written.
        identity: what a checkpoint must agree with to be gone on from.
    """

    def __init__(
        self,
        learner: Learner,
        plan: Plan,
        limits: Limits,
        hooks: Hooks,
        sample: Callable[[Weights], str],
        folder: Path | None,
        identity: dict[str, Any],
    ) -> None:
        self.learner = learner
        self.plan = plan
        self.limits = limits
        self.hooks = hooks
        self.sample = sample
        self.folder = folder
        self.identity = identity
        self.position = Position()
        self.curve: list[CurvePoint] = []
        self.best: Weights = {}
        self._finish: Stopped | None = None
        self._told = self._sampled = -math.inf
        self._saved = self._clock = time.monotonic()
        self._step_s: float | None = None
        self._steps_here = 0

    def restore(self, arrays: checkpoint.Arrays, record: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        self.position = Position(**record["at"])
        self.curve = [CurvePoint(*point) for point in record["curve"]]
        self.best = within(arrays, "best")
        self.learner.begin_epoch(self.position.epoch)
        self.learner.restore(within(arrays, "learner"))

    def run(self) -> Stopped:
        """Train until the end; `best` and `curve` hold the outcome.

        Raises:
            TrainingCancelled: a person cancelled it.
            TrainingInterrupted: it is to pause; the checkpoint is saved.
            UserError: the loss is no longer a number.
        """
        self._clock = self._saved = time.monotonic()
        at = self.position
        self._tell(force=True)
        if at.total_steps == 0:
            self.learner.begin_epoch(1)
        while True:
            self._run_epoch()
            self._judge()
            stopped = self._over()
            if stopped:
                return stopped
            at.epoch, at.step, at.loss_sum, at.loss_count = at.epoch + 1, 0, 0.0, 0
            self.learner.begin_epoch(at.epoch)
            self._save()

    def _run_epoch(self) -> None:
        at = self.position
        while at.step < self.learner.steps:
            self._poll()
            self._tick()
            if self._finish or self._out_of_time():
                return
            begun = time.monotonic()
            loss, count = self.learner.step(at.step, self._rate())
            if not math.isfinite(loss):
                raise UserError(
                    f"The training went astray in epoch {at.epoch}: its loss is no longer a number.",
                    "Start it again with another random seed.",
                )
            at.step, at.total_steps = at.step + 1, at.total_steps + 1
            at.loss_sum, at.loss_count = at.loss_sum + loss * count, at.loss_count + count
            self._time_step(time.monotonic() - begun)
            self._tell()
            if time.monotonic() - self._saved >= CHECKPOINT_EVERY_S:
                self._save()

    def _judge(self) -> None:
        """End an epoch, or the part of one that there was time for."""
        at = self.position
        if not at.loss_count:
            if not self.best:
                self.best = self.learner.weights()
            return
        heldout = self.learner.heldout(self._poll)
        point = CurvePoint(at.epoch, at.loss_sum / at.loss_count, heldout)
        # The curve is remade when an interrupted judgement is repeated.
        self.curve = [*(old for old in self.curve if old.epoch < at.epoch), point]
        if not at.best_epoch or point.watched < min(old.watched for old in self.curve[:-1]):
            at.best_epoch = at.epoch
            self.best = self.learner.weights()
        self._tell(force=True)
        if time.monotonic() - self._sampled >= SAMPLE_EVERY_S:
            text = self.sample(self.learner.weights())
            self.hooks.sample(
                Sample(epoch=at.epoch, text=text, train_loss=point.train_loss, heldout_loss=point.heldout_loss)
            )
            self._sampled = time.monotonic()
        self._tick()

    def _over(self) -> Stopped | None:
        at = self.position
        if self._finish:
            return self._finish
        if self._out_of_time():
            return "time"
        if at.epoch >= self.limits.epochs:
            return "done"
        patience = max(4, math.ceil(self.plan.patience * self._planned_epochs()))
        if self.plan.patience and at.epoch - at.best_epoch >= patience:
            return "early"
        return None

    def _out_of_time(self) -> bool:
        return self.limits.minutes is not None and self.position.seconds >= self.limits.minutes * 60

    def _poll(self) -> None:
        wish = self.hooks.control()
        if wish == "cancel":
            raise TrainingCancelled
        if wish == "interrupt":
            self._tick()
            self._save()
            raise TrainingInterrupted
        if wish == "finish":
            self._finish = "finish"

    def _tick(self) -> None:
        now = time.monotonic()
        self.position.seconds += now - self._clock
        self._clock = now

    def _time_step(self, seconds: float) -> None:
        self._steps_here += 1
        if self._steps_here > _UNTIMED_STEPS:
            # A moving average over some tens of steps: the machine may be shared.
            self._step_s = seconds if self._step_s is None else 0.95 * self._step_s + 0.05 * seconds

    def _done(self) -> float:
        """Share of the training that is done, by whichever limit comes first."""
        at = self.position
        by_steps = (at.epoch - 1 + at.step / self.learner.steps) / self.limits.epochs
        by_clock = at.seconds / (self.limits.minutes * 60) if self.limits.minutes else 0.0
        return min(1.0, max(by_steps, by_clock))

    def _rate(self) -> float:
        rate = self.plan.learning_rate
        if self.plan.schedule == "constant":
            return rate
        warm = min(1.0, (self.position.total_steps + 1) / _WARM_UP_STEPS)
        return rate * warm * max(0.01, 0.5 * (1 + math.cos(math.pi * self._done())))

    def _remaining(self) -> float | None:
        """Estimated seconds to the end."""
        if self._step_s is None:
            return None
        at = self.position
        left = ((self.limits.epochs - at.epoch + 1) * self.learner.steps - at.step) * self._step_s
        return left if self.limits.minutes is None else max(0.0, min(left, self.limits.minutes * 60 - at.seconds))

    def _planned_epochs(self) -> int:
        """How many epochs there will be, at the speed measured so far."""
        at = self.position
        remaining = self._remaining()
        if self.limits.minutes is None or remaining is None or self._step_s is None:
            return self.limits.epochs
        whole = at.epoch - 1 + (at.step + remaining / self._step_s) / self.learner.steps
        return max(at.epoch, min(self.limits.epochs, math.ceil(whole - 1e-6)))

    def _tell(self, *, force: bool = False) -> None:
        now = time.monotonic()
        if not force and now - self._told < PROGRESS_EVERY_S:
            return
        self._told = now
        at = self.position
        speed = None
        if self._step_s and at.step:
            speed = at.loss_count / at.step / self._step_s
        self.hooks.progress(
            Progress(
                epoch=at.epoch,
                epochs=self._planned_epochs(),
                step=at.step,
                steps=self.learner.steps,
                train_loss=at.loss_sum / at.loss_count if at.loss_count else None,
                heldout_loss=self.curve[-1].heldout_loss if self.curve else None,
                eta_s=self._remaining(),
                chars_per_s=speed,
            )
        )

    def _save(self) -> None:
        if self.folder is None:
            return
        record = {
            "identity": self.identity,
            "at": asdict(self.position),
            "curve": [[point.epoch, point.train_loss, point.heldout_loss] for point in self.curve],
        }
        checkpoint.save(self.folder, grouped(learner=self.learner.state(), best=self.best), record)
        self._saved = time.monotonic()
