"""The hooks of the training loop: they send its events, and hear what people ask of it."""

import functools
import math
import time
from collections import deque
from collections.abc import Callable
from typing import Literal

from galvanic import results
from galvanic.results import Difficulty, Doing, TrainingCancelled
from shared.events import Event, Progress, Sample, Trouble
from worker.checkpoints import CheckpointCopies
from worker.events import REDIS_DOWN, JobEvents, Superseded
from worker.threads import Lease, stop_requested

_MOST_UNTOLD = 50  # events, above all samples, that are kept while Redis is away; then the oldest are dropped
PROGRESS_EVERY_S = 1.0
POLL_EVERY_S = 0.5
QUIET_S = 10.0  # after Redis was away: each try may block for seconds, and the training waits meanwhile


class JobHooks(results.Hooks):
    """Sends what a training does, and hears what it is asked.

    `lease` is touched at each sign of headway; `copies` is told of checkpoints.
    """

    def __init__(self, job_events: JobEvents, lease: Lease, copies: CheckpointCopies) -> None:
        self._job_events = job_events
        self._lease = lease
        self._copies = copies
        self._published: dict[Doing, float] = {}
        self._polled = 0.0
        self._quiet_until = -math.inf
        self._untold: deque[Event] = deque(maxlen=_MOST_UNTOLD)
        self._requested: Literal["cancel", "finish"] | None = None
        self._learned = False
        self._began_at: tuple[int, int] | None = None  # epoch and step: where this attempt goes on
        self._further = False  # than there

    def progress(self, progress: results.Progress) -> None:
        event = Progress(**vars(progress))
        self._lease.touch()
        self._learned = self._learned or event.train_loss is not None or event.heldout_loss is not None
        place = progress.epoch, progress.step
        self._began_at = self._began_at or place
        self._further = place > self._began_at
        # A new activity is told at once, for it may take long; but not each time where epochs are short.
        if time.monotonic() - self._published.get(event.doing, -math.inf) >= PROGRESS_EVERY_S:
            self._tell(event)
            self._published[event.doing] = time.monotonic()

    def sample(self, event: results.Sample) -> None:
        self._lease.touch()
        self._untold.append(Sample(**vars(event)))
        self._tell()

    def trouble(self, what: Difficulty | None) -> None:
        self._lease.touch()
        self._untold.append(Trouble(what=what))
        self._tell()

    def saved(self) -> None:
        self._copies.saved()
        # At its end a training may save the same again and again, and die each time.
        if self._further and not self._lease.lost:
            self._unless_away(self._job_events.forget_deaths)

    def control(self) -> Literal["cancel", "finish", "interrupt"] | None:
        """Answer what the training is to do (`Hooks.control`). Raises Superseded: another attempt has it."""
        self._lease.touch()
        if self._lease.lost:
            raise Superseded(self._job_events.job_id)
        if stop_requested():
            return "interrupt"
        if time.monotonic() - self._polled >= POLL_EVERY_S:
            self._tell()
            self._poll()
        # "Finish now" keeps the best so far: until a first step was made there is nothing that is worth a model.
        return None if self._requested == "finish" and not self._learned else self._requested

    def require_wanted(self) -> None:
        """Check that nobody has cancelled the training, as far as Redis can be asked. Raises TrainingCancelled."""
        self._quiet_until = -math.inf  # the last samples, which were kept, must not wait any longer
        self._tell()
        self._poll()
        if self._requested == "cancel":
            raise TrainingCancelled

    def _tell(self, progress: Progress | None = None) -> None:
        """Send what was not sent yet, or keep it while Redis is away, except progress: the next one says more."""
        self._unless_away(functools.partial(self._send, progress))

    def _send(self, progress: Progress | None) -> None:
        while self._untold:
            self._job_events.tell_once(self._untold[0])
            self._untold.popleft()
        if progress is not None:
            self._job_events.tell_once(progress)

    def _poll(self) -> None:
        """Ask what is wanted. While Redis is away the training goes on, and a later poll asks again."""
        self._polled = time.monotonic()
        self._unless_away(self._ask)

    def _ask(self) -> None:
        self._requested = self._job_events.control()

    def _unless_away(self, call: Callable[[], None]) -> None:
        """Call Redis, unless it was away less than `QUIET_S` ago."""
        if time.monotonic() < self._quiet_until:
            return
        try:
            call()
        except REDIS_DOWN:  # the lease's thread logs that
            self._quiet_until = time.monotonic() + QUIET_S
