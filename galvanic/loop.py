"""The training loop: epochs, best weights, the learning rate's course, checkpoints, and what the hooks ask for.

Each epoch: steps (`Learner.step`), then the held-out loss, then a sample, then a checkpoint if one is due. Among the
steps the hooks are asked whether to stop. A long epoch is measured midway, too, and its sample shown: that decides
nothing. If a loss or a weight is no number any more, the training ends with the best epoch so far. Losses in here are
in nats per character.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import structlog
from pydantic import BaseModel, Field

from galvanic import checkpoint
from galvanic.checkpoint import Arrays, disk_full, grouped, within
from galvanic.errors import UserError
from galvanic.pace import Pace, Position
from galvanic.plan import Plan, Weights
from galvanic.results import (
    CurvePoint,
    Doing,
    Hooks,
    Measurement,
    Progress,
    Sample,
    Stopped,
    TrainingCancelled,
    TrainingInterrupted,
    best_point,
    per_char,
)

if TYPE_CHECKING:
    from galvanic.learners import Learner

PROGRESS_EVERY_S = 0.5
SAMPLE_EVERY_S = 5.0
MIDWAY_SAMPLE_S = 120.0  # in a long epoch, after so many seconds without a sample
_MIDWAY_PAUSE = 10  # or after so many times as long as its losses take: a slow machine needs its time to learn
_ENDS_SOON_S = 30.0  # before the end, when the last sample comes anyway
CHECKPOINT_BETWEEN_EPOCHS_S = 10.0  # at most one checkpoint in so many seconds, however short the epochs
_GAIN_NATS = 0.001  # an epoch that lowers the loss by less counts as without gain
_PATIENT_STEPS = 20  # the rate is lowered after epochs of so many steps in all without gain: of a short text, several
_LOWER_RATE = 0.4  # factor of the learning rate when it is lowered
_LEAST_RATE_SHARE = 0.1  # of the planned rate; below it nothing more is learned

log = structlog.get_logger()


class Record(BaseModel):
    """The part of a checkpoint that is no array. The loop keeps it up to date."""

    identity: dict[str, Any]  # what a training that goes on from it must agree with
    plan: Plan
    at: Position = Field(default_factory=Position)
    curve: list[CurvePoint] = []  # a point for each epoch that was judged
    notes: list[str] = []  # for the person, in plain words
    starter_loss: float | None = None  # of the starter, before it learned from the text


class _Astray(Exception):
    """Signals that the loss or a weight is no longer a number."""


@dataclass
class Loop:
    """Runs a learner until a training's end.

    `heldout` returns the held-out loss of the learner's weights in nats per symbol, or None; it calls its argument now
    and then. `sample` writes a sample with an epoch's weights. `folder`: for checkpoints; None: it writes none.
    `checkpoint_s`: seconds between two checkpoints within an epoch.

    Afterwards `best` holds the best epoch's weights, and `record` all else.
    """

    learner: Learner
    pace: Pace
    hooks: Hooks
    heldout: Callable[[Callable[[], object]], float | None]
    sample: Callable[[Weights, CurvePoint], Sample]
    folder: Path | None
    record: Record
    checkpoint_s: float

    def __post_init__(self) -> None:
        self.best: Weights = {}
        self._finish: Stopped | None = None
        self._told = -math.inf
        self._sampled = time.monotonic() - SAMPLE_EVERY_S  # the first epoch's sample is due
        self._measuring_s = 0.0  # how long the losses took last
        self._latest = self.record.curve[-1] if self.record.curve else None  # losses, perhaps of a part of an epoch
        self._saved = time.monotonic()  # or tried to save
        self._unsaved = False  # a checkpoint could not be written, because the disk is full

    def restore(self, arrays: Arrays) -> None:
        """Go on from a checkpoint's arrays. Raises KeyError, ValueError or TypeError if they don't fit."""
        self.best = within(arrays, "best")
        self.learner.begin_epoch(self.record.at.epoch)
        self.learner.restore(within(arrays, "learner"))

    def run(self, *, start: float | None = None) -> Stopped:
        """Train until the end, and return why it ended.

        `start`: the training loss of the weights that it begins with, if these count as the result of epoch 0. Raises
        TrainingCancelled; TrainingInterrupted, with the checkpoint saved; UserError if the loss is no number and no
        epoch had been judged before.
        """
        self.pace.start()
        at = self.record.at
        self.tell("learning")
        if at.total_steps == 0:
            self.learner.begin_epoch(at.epoch)
            if start is not None and not self.record.curve:
                self._latest = CurvePoint(0, start, self._heldout())
                self.record.curve = [self._latest]
                self.best = self.learner.weights()
                self._report(self._latest)
        while True:
            try:
                self._run_epoch()
                self._judge()
            except _Astray:
                self._end_astray()
                return "done"
            stopped = self._over()
            if not stopped:
                at.epoch, at.step, at.loss_sum, at.loss_count = at.epoch + 1, 0, 0.0, 0
                self.learner.begin_epoch(at.epoch)
            if time.monotonic() - self._saved >= min(CHECKPOINT_BETWEEN_EPOCHS_S, self.checkpoint_s):
                self._save()
            if stopped:
                return stopped

    def _run_epoch(self) -> None:
        at = self.record.at
        while at.step < self.learner.steps:
            self._poll()
            if self._finish or self.pace.out_of_time():
                return
            begun = time.monotonic()
            loss, count = self.learner.step(at.step, self.pace.rate())
            if not math.isfinite(loss):
                raise _Astray
            at.step, at.total_steps = at.step + 1, at.total_steps + 1
            at.loss_sum, at.loss_count = at.loss_sum + loss * count, at.loss_count + count
            self.pace.time_step(time.monotonic() - begun)
            if self._is_midway_sample_due():
                self._show_sample(*self._measure())
                self.tell("learning")
            if time.monotonic() - self._told >= PROGRESS_EVERY_S:
                self.tell("learning")
            if time.monotonic() - self._saved >= self.checkpoint_s:
                self._save()

    def _is_midway_sample_due(self) -> bool:
        pause_s = max(MIDWAY_SAMPLE_S, _MIDWAY_PAUSE * self._measuring_s)
        if time.monotonic() - self._sampled < pause_s or self.record.at.step == self.learner.steps:
            return False
        remaining_s = self.pace.remaining()
        return remaining_s is None or remaining_s > _ENDS_SOON_S

    def _heldout(self) -> float | None:
        loss = self.heldout(self._poll)
        return None if loss is None else per_char(loss, self.learner.prepared.heldout_density)

    def _train_loss(self) -> float:
        """Return the mean loss of the epoch's steps so far, at least one."""
        at = self.record.at
        return per_char(at.loss_sum / at.loss_count, self.learner.prepared.density)

    def _measure(self) -> tuple[Weights, CurvePoint]:
        """Return copies of the weights, and their losses; at least one step of the epoch is done."""
        self.tell("measuring")
        begun = time.monotonic()
        point = CurvePoint(self.record.at.epoch, self._train_loss(), self._heldout())
        self._measuring_s = time.monotonic() - begun
        weights = self.learner.weights()
        if not math.isfinite(point.watched) or not _finite(weights):
            raise _Astray
        self._latest = point
        return weights, point

    def _show_sample(self, weights: Weights, point: CurvePoint) -> None:
        """Write a sample with these weights, and pass it to the hooks."""
        self.tell("sampling")
        event = self.sample(weights, point)
        if self.record.at.step < self.learner.steps:
            event = event.model_copy(update={"midway": True})
        with self.pace.clock_stopped():
            self.hooks.sample(event)
        self._sampled = time.monotonic()

    def _judge(self) -> None:
        """Judge an epoch, or the part of one that there was time for: its losses, the best weights, and a sample."""
        at = self.record.at
        if not at.loss_count:
            self.best = self.best or self.learner.weights()
            return
        weights, point = self._measure()
        # This epoch may have a point already, if its judgement was interrupted and is repeated.
        self.record.curve = [*(old for old in self.record.curve if old.epoch < at.epoch), point]
        if best_point(self.record.curve) is point:
            self.best = weights
        self._report(point)
        if time.monotonic() - self._sampled >= SAMPLE_EVERY_S:
            self._show_sample(weights, point)
        self.tell("learning")

    def _end_astray(self) -> None:
        """Note why the training ends before its time, with the best epoch. Raises UserError if there is none."""
        at = self.record.at
        log.warning("loss_not_a_number", epoch=at.epoch, step=at.step)
        if not self.record.curve:
            raise UserError(
                f"The training diverged in epoch {at.epoch}: its loss was no longer a number.",
                "Choose a smaller learning rate (--lr), or start it again with another random seed.",
            )
        self.record.notes.append(
            f"The loss stopped being a number in epoch {at.epoch}: the training ended there, with the best before it. "
            "A smaller learning rate (--lr) would help."
        )

    def _over(self) -> Stopped | None:
        """Return why the training is over after this epoch; None if it goes on."""
        at = self.record.at
        if self._finish:
            return self._finish
        if self.pace.out_of_time():
            return "time"
        if at.epoch >= self.pace.epochs:
            return "done"
        if self.learner.plan.schedule == "plateau":
            patience = math.ceil(_PATIENT_STEPS / self.learner.steps)
            return None if self._without_gain() < patience or self._slow_down() else "early"
        patience = max(4, math.ceil(self.learner.plan.patience * self.pace.planned_epochs()))
        without_gain = at.epoch - best_point(self.record.curve).epoch
        if self.learner.plan.patience and without_gain >= patience and not self.record.curve[-1].behind:
            return "early"
        return None

    def _without_gain(self) -> int:
        """Return how many epochs in a row were without gain, at the current learning rate.

        While the network is behind the table, an epoch has a gain also if the network's own loss falls.
        """
        loss = train_loss = math.inf
        last = 0
        for point in self.record.curve:
            learns = point.behind and point.train_loss < train_loss - _GAIN_NATS
            if learns or point.watched < loss - _GAIN_NATS:
                last = point.epoch
                loss, train_loss = min(loss, point.watched), min(train_loss, point.train_loss)
        return self.record.at.epoch - max(last, self.record.at.lowered)

    def _slow_down(self) -> bool:
        """Go on from the best weights at a lower learning rate; return False if it is as low as it may get.

        The optimiser keeps its current moments: a checkpoint has these, and not those of the best epoch.
        """
        at = self.record.at
        if at.rate_share * _LOWER_RATE < _LEAST_RATE_SHARE:
            return False
        at.rate_share, at.lowered = at.rate_share * _LOWER_RATE, at.epoch
        self.learner.set_weights(self.best)
        return True

    def _poll(self) -> None:
        """Ask the hooks whether to stop. Raises TrainingCancelled or TrainingInterrupted."""
        with self.pace.clock_stopped():
            request = self.hooks.control()
        if request == "cancel":
            raise TrainingCancelled
        if request == "interrupt":
            self._save()
            raise TrainingInterrupted
        if request == "finish":
            self._finish = "finish"

    def tell(self, doing: Doing) -> None:
        """Report progress to the hooks."""
        self._told = time.monotonic()
        at, over = self.record.at, doing == "finishing"
        event = Progress(
            doing=doing,
            done=1.0 if over else self.pace.done(),
            epoch=at.epoch,
            epochs=self.pace.epochs,
            step=at.step,
            steps=self.learner.steps,
            train_loss=self._train_loss() if at.loss_count else None,
            heldout_loss=self._latest.heldout_loss if self._latest else None,
            eta_s=0.0 if over else self.pace.remaining(),
            chars_per_s=self._speed(),
        )
        with self.pace.clock_stopped():
            self.hooks.progress(event)

    def _report(self, point: CurvePoint) -> None:
        """Report an epoch's measurements to the hooks."""
        at = self.record.at
        with self.pace.clock_stopped():
            self.hooks.measured(
                Measurement(
                    epoch=point.epoch,
                    step=at.total_steps,
                    seconds=at.seconds,
                    chars_per_second=self._speed(),
                    learning_rate=self.pace.rate(),
                    loss=point.train_loss,
                    val_loss=point.heldout_loss,
                )
            )

    def _speed(self) -> float | None:
        """Return the characters learned in a second; None: not known yet."""
        at = self.record.at
        if not (self.pace.step_s and at.step):
            return None
        return at.loss_count / at.step / self.pace.step_s / self.learner.prepared.density

    def _save(self) -> None:
        if self.folder is None:
            return
        state = self.learner.state()
        if not _finite(state):
            return  # the checkpoint on the disk is better; the next step finds that its loss is no number
        self.tell("saving")
        try:
            checkpoint.save(self.folder, grouped(learner=state, best=self.best), self.record.model_dump(mode="json"))
        except OSError as error:
            if not disk_full(error):
                raise
            # A full disk ends no training: it goes on, and tries again when the next checkpoint is due.
            if not self._unsaved:
                log.error("checkpoint_not_saved", reason="the disk is full")
                self._unsaved = True
                self.hooks.trouble("disk full")
            return
        finally:
            self._saved = time.monotonic()
        if self._unsaved:
            log.info("checkpoint_saved_again")
            self._unsaved = False
            self.hooks.trouble(None)
        with self.pace.clock_stopped():
            self.hooks.saved()


def _finite(arrays: Arrays) -> bool:
    return all(bool(np.isfinite(array).all()) for array in arrays.values() if array.dtype.kind == "f")
