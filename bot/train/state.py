"""The state of a training that its card shows, from the training's events. Pure; rebuilt after a restart."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from galvanic.results import Difficulty
from shared.events import Cancelled, Event, Failed, Finished, Interrupted, Progress, Sample, Started, Trouble

State = Literal["queued", "reading", "training", "interrupted", "finished", "failed", "cancelled"]


@dataclass(frozen=True)
class TrainingState:
    """The state that a training's card shows."""

    state: State = "queued"
    resumed: bool = False
    withdrawn: bool = False  # it began anew because words were withdrawn
    progress: Progress | None = None
    trouble: Difficulty | None = None  # what keeps its worker from saving
    samples: tuple[Sample, ...] = ()  # newest last
    finished: Finished | None = None
    failed: Failed | None = None

    @classmethod
    def of(cls, events: Iterable[Event]) -> TrainingState:
        return functools.reduce(cls.after, events, cls())

    @property
    def over(self) -> bool:
        return self.state in ("finished", "failed", "cancelled")

    @property
    def has_learned(self) -> bool:
        progress = self.progress
        return progress is not None and (progress.train_loss is not None or progress.heldout_loss is not None)

    def after(self, event: Event) -> TrainingState:
        """Return the state after an event; once the training is over, it stays as it is."""
        if self.over:
            return self
        match event:
            case Started():
                begun = self if event.resumed else replace(self, progress=None, samples=())  # nothing of it is left
                return replace(begun, state="reading", trouble=None, resumed=event.resumed)
            case Progress():
                return replace(self, state="training", progress=event)
            case Sample():
                return replace(self, samples=(*self.samples, event))
            case Trouble():
                return replace(self, trouble=event.what)
            case Interrupted(text_changed=True):
                return replace(self, state="interrupted", progress=None, trouble=None, samples=(), withdrawn=True)
            case Interrupted():
                return replace(self, state="interrupted")
            case Finished():
                return replace(self, state="finished", finished=event)
            case Failed():
                return replace(self, state="failed", failed=event)
            case Cancelled():
                return replace(self, state="cancelled")
        return self
