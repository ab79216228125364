"""Trainings for the benchmark, and hooks that look into them."""

import contextlib
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import texts
from galvanic import learners
from galvanic.learners import Learner
from galvanic.model_file import STARTER_FILE
from galvanic.options import CorpusInfo, TrainOptions
from galvanic.plan import Plan, Weights
from galvanic.results import Control, Hooks, Progress, TrainingCancelled
from galvanic.text import Prepared
from galvanic.training import train
from shared.corpora.corpus import Corpus

_TOLD_EVERY_S = 30.0


class Watcher(Hooks):
    """Hooks that print a training's progress, and may end it after some seconds."""

    def __init__(self, finish_after_s: float | None = None) -> None:
        self._finish_after_s = finish_after_s
        self._begun = self._told = time.monotonic()

    def progress(self, event: Progress) -> None:
        """Print a line every 30 seconds."""
        if time.monotonic() - self._told >= _TOLD_EVERY_S:
            self._told = time.monotonic()
            heldout = "" if event.heldout_loss is None else f", held out {event.heldout_loss:.3f}"
            passed = self._told - self._begun
            print(f"  {passed:4.0f} s: epoch {event.epoch} of {event.epochs}{heldout}", file=sys.stderr, flush=True)

    def control(self) -> Control | None:
        """End the training when its time is up."""
        if self._finish_after_s is not None and time.monotonic() - self._begun >= self._finish_after_s:
            return "finish"
        return None


def default_model(work: Path, text: str | None = None) -> Path:
    """Return the file of a model with the default network, hardly trained, for figures that depend on its size alone.

    Args:
        work: the folder in which it is kept.
        text: the text that it learns; None: the book.
    """
    folder = work / "default-model"
    if not folder.is_file():
        corpus = Corpus(texts.info(text), text) if text is not None else texts.book()
        # Without minutes, so that the plan is the one that `!train frankenstein` gets.
        options = TrainOptions(random_seed=1)
        train(corpus.text, options, corpus.info, out=folder, hooks=Watcher(5.0), starter=STARTER_FILE)
    return folder


@dataclass
class LearnerOfTraining:
    """The learner of a training, with its plan and its text; None until the training has made it."""

    plan: Plan | None = None
    prepared: Prepared | None = None
    learner: Learner | None = None


@contextlib.contextmanager
def capture_learner(into: LearnerOfTraining) -> Iterator[None]:
    """Put the learner that a training within the block makes into `into`."""
    module: Any = learners
    make = module.make_learner

    def make_watched(plan: Plan, prepared: Prepared, *arguments: Any, **options: Any) -> Learner:
        learner: Learner = make(plan, prepared, *arguments, **options)
        into.plan, into.prepared, into.learner = plan, prepared, learner
        return learner

    module.make_learner = make_watched
    try:
        yield
    finally:
        module.make_learner = make


def default_plan(text: str, info: CorpusInfo, work: Path, options: TrainOptions | None = None) -> tuple[Plan, Prepared]:
    """Return the plan and the prepared text that a training has on this machine. `options`: None: without options."""
    captured = LearnerOfTraining()
    with capture_learner(captured), contextlib.suppress(TrainingCancelled):
        train(text, options or TrainOptions(), info, out=work / "plan", hooks=_Cancel(captured), starter=STARTER_FILE)
    if captured.plan is None or captured.prepared is None:
        raise RuntimeError("the trainer made no learner")
    return captured.plan, captured.prepared


class _Cancel(Watcher):
    """Hooks that cancel a training as soon as it has its learner."""

    def __init__(self, captured: LearnerOfTraining) -> None:
        super().__init__()
        self._captured = captured

    def control(self) -> Control | None:
        return "cancel" if self._captured.learner else None


@dataclass(frozen=True, eq=False)
class Snapshot:
    """The weights of a training, so many seconds after `train` was called."""

    seconds: float
    weights: Weights


class Snapshots(Watcher):
    """Hooks that keep the weights every few seconds. The time includes the copying.

    Args:
        every_s: seconds between two snapshots.
        captured: where the learner is found.
    """

    def __init__(self, every_s: float, captured: LearnerOfTraining) -> None:
        super().__init__()
        self.taken: list[Snapshot] = []
        self._every_s = every_s
        self._captured = captured

    def control(self) -> Control | None:
        """Take a snapshot when one is due."""
        last = self.taken[-1].seconds if self.taken else 0.0
        if self._captured.learner is not None and time.monotonic() - self._begun - last >= self._every_s:
            weights = self._captured.learner.weights()
            self.taken.append(Snapshot(time.monotonic() - self._begun, weights))
        return None
