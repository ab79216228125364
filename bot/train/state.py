"""The state of a training that its card shows, from the training's events. Pure; rebuilt after a restart."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from galvanic.results import Difficulty
from shared.events import Event, Failed, Finished, Interrupted, Progress, Sample, Started, Trouble

State = Literal["queued", "reading", "training", "interrupted", "finished", "failed", "cancelled"]
_STATES: dict[str, State] = {
    "started": "reading",
    "progress": "training",
    "interrupted": "interrupted",
    "finished": "finished",
    "failed": "failed",
    "cancelled": "cancelled",
}
"""The state of a training after an event of each kind."""


@dataclass(frozen=True)
class TrainingState:
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
        """Events after the end change nothing."""
        if self.over:
            return self
        now = replace(self, state=_STATES.get(event.kind, self.state))
        match event:
            case Started():
                begun = now if event.resumed else replace(now, progress=None, samples=())  # nothing of it is left
                return replace(begun, trouble=None, resumed=event.resumed)
            case Sample():
                return replace(now, samples=(*self.samples, event))
            case Interrupted(text_changed=True):
                return replace(now, progress=None, trouble=None, samples=(), withdrawn=True)
            case Trouble():
                return replace(now, trouble=event.what)
            case Progress():
                return replace(now, progress=event)
            case Finished():
                return replace(now, finished=event)
            case Failed():
                return replace(now, failed=event)
        return now
