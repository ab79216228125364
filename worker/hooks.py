"""What the training loop calls: sends its events, and hears what people ask of it."""

from __future__ import annotations

import math
import time
from collections import deque
from typing import Literal

import structlog

from galvanic import results
from galvanic.results import Difficulty, Doing, TrainingCancelled, TrainingInterrupted
from shared.events import Event, Progress, Sample, Trouble
from shared.jobs import TranscriptRef
from worker.channel_text import Withdrawn, is_withdrawn, require_standing
from worker.copies import CheckpointCopies
from worker.events import REDIS_DOWN, JobEvents, Superseded
from worker.lease import Lease
from worker.stopping import stop_requested

_MOST_UNTOLD = 50  # events, above all samples, that are kept while Redis is away; then the oldest are dropped
HEADWAY_S = 5 * 60.0
"""From an attempt's first checkpoint to a later one: then the deaths before it no longer count. A training that always
dies at one place, or while saving, never gets there, because its attempts save at most once; one that does get there
ends some time. So a training that was killed now and then in many hours is not given up."""
PROGRESS_EVERY_S = 1.0
POLL_EVERY_S = 0.5

log = structlog.get_logger()


class JobHooks:
    """Sends what a training does, and hears what it is asked and whether its words may still be learned.

    `lease` is touched at each sign of headway. `inherited`: what the model to start from learned of channels.
    """

    def __init__(self, job_events: JobEvents, lease: Lease, inherited: tuple[TranscriptRef, ...] = ()) -> None:
        self._job_events = job_events
        self._lease = lease
        self._inherited = inherited
        self._own: TranscriptRef | None = None
        self._published: dict[Doing, float] = {}
        self._polled = 0.0
        self._untold: deque[Event] = deque(maxlen=_MOST_UNTOLD)
        self._requested: Literal["cancel", "finish"] | None = None
        self._learned = False
        self._first_saved: float | None = None
        self._got_on = False
        self._reachable = True
        self.copies: CheckpointCopies | None = None
        """Told of checkpoints, too."""

    def watch(self, own: TranscriptRef | None) -> None:
        self._own = own

    def progress(self, told: results.Progress) -> None:
        event = Progress(**vars(told))
        self._lease.touch()
        self._learned = self._learned or event.train_loss is not None or event.heldout_loss is not None
        # A new activity is told at once, for it may take long; but not each time where epochs are short.
        if time.monotonic() - self._published.get(event.doing, -math.inf) >= PROGRESS_EVERY_S:
            self._tell_untold()
            self._job_events.publish(event)
            self._published[event.doing] = time.monotonic()

    def sample(self, event: results.Sample) -> None:
        self._lease.touch()
        revision = self._own.revision if self._own is not None else None
        self._tell(Sample(**vars(event), revision=revision))

    def trouble(self, what: Difficulty | None) -> None:
        self._lease.touch()
        self._tell(Trouble(what=what))

    def saved(self) -> None:
        """Enough headway cancels the deaths that the training had."""
        if self.copies is not None:
            self.copies.saved()
        now = time.monotonic()
        if self._first_saved is None:
            self._first_saved = now
        elif not self._got_on and now - self._first_saved >= HEADWAY_S:
            self._got_on = self._job_events.get_on()

    def control(self) -> Literal["cancel", "finish", "interrupt"] | None:
        """See `Hooks.control`.

        Raises Withdrawn (a member withdrew words that it has read), Superseded (another attempt has the training) or
        UserError (the model to start from learned words that were withdrawn meanwhile).
        """
        self._lease.touch()
        if self._lease.lost:
            raise Superseded(self._job_events.job_id)
        if stop_requested():
            return "interrupt"
        if time.monotonic() - self._polled >= POLL_EVERY_S:
            self._tell_untold()
            self._poll(always=False)
        # "Finish now" keeps the best so far: until a first step was made there is nothing that is worth a model.
        return None if self._requested == "finish" and not self._learned else self._requested

    def require_standing(self) -> None:
        """See that its words may still be learned and nobody has cancelled it, as far as Redis can be asked.

        Raises Withdrawn or UserError as `control`, or TrainingCancelled.
        """
        self._poll(always=True)
        if self._requested == "cancel":
            raise TrainingCancelled

    def _tell(self, event: Event) -> None:
        self._untold.append(event)
        self._tell_untold()

    def _tell_untold(self) -> None:
        """Send what was not sent yet; a training does not wait for Redis, so while that is away it is kept."""
        try:
            while self._untold:
                self._job_events.tell_once(self._untold[0])
                self._untold.popleft()
        except REDIS_DOWN as error:
            if self._reachable:
                log.warning("not_told_yet", error=type(error).__name__)
            self._reachable = False
        else:
            self._reachable = True

    def _poll(self, *, always: bool) -> None:
        """`always`: whether the words may be learned also matters for a training that is to be cancelled."""
        refs = (*self._inherited, *((self._own,) if self._own is not None else ()))
        news = self._job_events.news([ref.transcript_id for ref in refs])
        self._polled = time.monotonic()
        if news is None:
            return  # Redis is away: the training goes on, and the next poll asks again
        self._requested = news.control
        if news.control == "cancel" and not always:
            return
        require_standing(self._inherited, news.revisions)
        if self._own is not None and is_withdrawn(self._own, news.revisions[self._own.transcript_id]):
            raise Withdrawn

    def go_on(self) -> None:
        """For what waits before there is anything to train.

        Raises TrainingCancelled, TrainingInterrupted (the worker is stopping), and Superseded or UserError as
        `control`.
        """
        request = self.control()
        if request == "cancel":
            raise TrainingCancelled
        if request == "interrupt":
            raise TrainingInterrupted
