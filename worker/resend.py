"""Sends the next attempt at a training whose worker stops, or whose process died."""

from __future__ import annotations

from shared import messages
from shared.jobs import TrainJob
from shared.queues import RESUMED
from worker.app import app
from worker.events import Requeued


def send_again(job: TrainJob, requeued: Requeued) -> None:
    """Send the attempt that waits now, if there is one."""
    if requeued.attempt is not None:
        messages.send(app, job, requeued.attempt, requeued.nonce, priority=RESUMED)
