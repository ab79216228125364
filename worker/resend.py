"""Has a training wait again whose worker stops, or whose process died."""

from __future__ import annotations

from typing import Literal

from shared import lifecycle, messages
from shared.jobs import TrainJob
from shared.queues import RESUMED
from worker.app import app
from worker.events import JobEvents


def wait_again(job: TrainJob, job_events: JobEvents, how: Literal["stopped", "died"]) -> bool:
    """End an attempt, and send the next one, unless the job is another's by now.

    Return False if it is not to go on, because somebody cancelled it: it is over. Raises redis.RedisError.
    """
    nonce = lifecycle.new_nonce()
    answer = job_events.requeue(how, nonce)
    if answer == b"cancelled":
        return False
    if answer is not None:
        messages.send(app, job, int(answer), nonce, priority=RESUMED)
    return True
