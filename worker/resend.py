"""Sends the next attempt at a training whose worker stops, or whose process died."""

from __future__ import annotations

import structlog
from kombu.exceptions import OperationalError

from shared import messages
from shared.jobs import TrainJob
from shared.queues import RESUMED
from worker.app import app
from worker.events import Requeued

log = structlog.get_logger()


def send_again(job: TrainJob, requeued: Requeued) -> None:
    """Send an attempt that waits. If Redis does not take it, the bot sends it later (`bot.jobs.recovery`)."""
    if requeued.attempt is None:
        return
    try:
        messages.send(app, job, requeued.attempt, requeued.nonce, priority=RESUMED)
    except OperationalError as error:
        log.warning("training_not_sent", job_id=job.job_id, error=type(error).__name__)
