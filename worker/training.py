"""Begins the attempt at a training that a message names, has it made, and has it wait again if it was cut off."""

from typing import Literal, cast

import redis
import structlog
from pydantic import ValidationError

from galvanic.results import TrainingInterrupted
from shared import keys, lifecycle
from shared.connect import connect
from shared.events import Cancelled, Failed
from shared.jobs import TrainJob
from shared.logging import job_context
from shared.queues import RESUMED, send
from shared.settings import Settings, get_settings
from worker.app import app
from worker.attempt import Attempt
from worker.checkpoints import remove_leftovers
from worker.events import JobEvents
from worker.jobs import MAX_DEATHS, Died, begin, carry_out
from worker.threads import Lease

log = structlog.get_logger()


def run_train(job_id: str, attempt: int, nonce: str) -> str | None:
    """Make an attempt at a training, and publish its outcome; return it for the metrics, or None: not begun."""
    settings = get_settings()
    client = connect(settings)
    job_events = JobEvents(client, job_id)
    try:
        job = begin(job_events, TrainJob, attempt, nonce)
        return None if job is None else _make(settings, client, job, job_events)
    except redis.RedisError as error:
        log.error("redis_lost", job_id=job_id, error=type(error).__name__)
        return "interrupted"


def _make(settings: Settings, client: redis.Redis, job: TrainJob, job_events: JobEvents) -> str:
    """Make an attempt, unless too many in a row ended in the worker's death. Raises redis.RedisError."""
    with job_context(job), Lease(client, job_events) as lease:
        log.info("job_begun", kind=job.kind, attempt=job_events.attempt)

        def attempt() -> Cancelled | Failed | None:
            if job_events.deaths() >= MAX_DEATHS:
                return _give_up()
            return Attempt(settings, client, job, job_events, lease).run()

        if job_events.attempt > 1:  # an earlier one may have had a text that was replaced since
            remove_leftovers(settings, client, job.job_id)
        try:
            outcome = carry_out(job, job_events, attempt)
        except TrainingInterrupted as how:
            outcome = _wait_again(job, job_events, "died" if isinstance(how, Died) else "stopped")
            log.info("job_ended", kind=job.kind, outcome=outcome)
        if outcome != "interrupted":  # it is over, or its text was replaced
            remove_leftovers(settings, client, job.job_id)
        return outcome


def wait_after_death(job_id: str, attempt: int, nonce: str) -> None:
    """Requeue a training whose process was killed, without waiting until its lease has lapsed."""
    settings = get_settings()
    client = connect(settings)
    try:
        data = cast(bytes | None, client.hget(keys.job(job_id), "job"))
        if data is not None:
            job = TrainJob.model_validate_json(data)
            with job_context(job):
                outcome = _wait_again(job, JobEvents(client, job_id, attempt, nonce), "died")
                log.warning("training_died", attempt=attempt)
                if outcome != "interrupted":
                    remove_leftovers(settings, client, job_id)
    except ValidationError:  # the bot sends it again, and its attempt is refused
        log.error("job_not_understood", job_id=job_id)
    except redis.RedisError as error:
        log.error("redis_lost", job_id=job_id, error=type(error).__name__)


def _wait_again(job: TrainJob, job_events: JobEvents, how: Literal["stopped", "died"]) -> str:
    """Send the next attempt, unless the job is another's or over by now; return the outcome of this one.

    Raises redis.RedisError.
    """
    nonce = lifecycle.new_nonce()
    answer = job_events.requeue(how, nonce)
    if answer is None:
        return "superseded"
    if answer == b"cancelled":
        return "cancelled"
    send(app, job, int(answer), nonce, priority=RESUMED)
    return "interrupted"


def _give_up() -> Failed:
    return Failed(
        problem=f"This training ended in trouble {MAX_DEATHS} times in a row, so it was given up.",
        remedy="If its machine was not switched off, it may be short of memory: try fewer units, or a shorter text.",
    )
