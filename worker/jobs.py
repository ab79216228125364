"""The steps of every kind of job: begin it, carry it out, and tell the person what went wrong. No Celery here."""

from collections.abc import Callable
from typing import NamedTuple, TypeVar, cast

import redis
import structlog
from pydantic import ValidationError

from galvanic.checkpoint import disk_full
from galvanic.errors import UserError
from galvanic.results import TrainingInterrupted
from shared import presence
from shared.events import Event, Failed
from shared.jobs import Job, TrainJob, is_id
from shared.settings import Settings
from worker.events import JobEvents, Superseded
from worker.store import StoreAway
from worker.warm import WarmModels

log = structlog.get_logger()
J = TypeVar("J", bound=Job)
MAX_DEATHS = 5
"""A training that ended in trouble, or killed its worker, so often in a row is given up. A new checkpoint or a stop in
order ends a row."""


class Died(TrainingInterrupted):
    """An attempt at a training ended in trouble; the next one goes on from its checkpoint."""


class JobContext(NamedTuple):
    """Everything that the work on a job needs besides the job."""

    settings: Settings
    client: redis.Redis  # shared by all threads
    job_events: JobEvents  # its last event is published by who runs the job
    models: WarmModels  # kept in memory, and the store behind them
    until: float  # when nobody waits for an answer any more (`time.monotonic`)


def begin(job_events: JobEvents, kind: type[J], attempt: int, nonce: str) -> J | None:
    """Begin the attempt that a message names. What cannot be read is refused, which is the job's end.

    None: there is nothing to do; the message may be out of date, or names no job: anybody with the workers' password
    can send one that names a path. Raises redis.RedisError.
    """
    if not is_id(job_events.job_id):
        log.error("message_refused")  # without the id, which may say anything
        return None
    data = job_events.begin(attempt, nonce, worker=presence.own_name(), training=kind is TrainJob)
    if data is None:
        log.info("attempt_not_made", job_id=job_events.job_id, attempt=attempt)
        return None
    try:
        job = kind.model_validate_json(data)
        if job.job_id == job_events.job_id:
            return cast(J, job)
        wrong = ["job_id"]
    except ValidationError as error:
        wrong = [".".join(map(str, detail["loc"])) for detail in error.errors()]
    log.error("job_not_understood", job_id=job_events.job_id, fields=wrong)
    job_events.publish(
        Failed(
            problem="The worker can't read this job.",
            remedy="Run the command again. If it stays so, the bot's operator should look at Redis.",
        )
    )
    return None


def carry_out(job: Job, job_events: JobEvents, work: Callable[[], Event | None]) -> str:
    """Do a job that was begun, and send its last event, which tells what went wrong. Return the outcome.

    `work` returns None when it has sent that itself. Raises redis.RedisError or TrainingInterrupted: the job is not
    over.
    """
    try:
        try:
            last = work()
        except (TrainingInterrupted, Superseded, redis.RedisError):
            raise
        except Exception as error:
            last = _failed(error, job)
        if last is not None:
            job_events.publish(last)
    except Superseded:
        log.warning("job_superseded", attempt=job_events.attempt)  # or ended: others have answered
    else:
        log.info("job_ended", kind=job.kind, outcome=job_events.outcome)
    return job_events.outcome


def _failed(error: Exception, job: Job) -> Failed:
    """Return the event that tells the person; log the cause."""
    if isinstance(error, UserError):
        log.info("job_refused")  # the sentences may quote what the person wrote
        return Failed(problem=error.problem, remedy=error.remedy)
    if isinstance(error, StoreAway):
        log.error("store_away", error=str(error))
        return Failed(
            problem="The model store can't be reached just now.",
            remedy="Try again in a minute. If it stays so, the bot's operator finds the cause in the worker's log.",
        )
    log.exception("job_failed")
    # TensorFlow's own is no MemoryError, and may not be imported here.
    if isinstance(error, MemoryError) or type(error).__name__ == "ResourceExhaustedError":
        remedy = "Try again in a minute. If it stays so, tell the bot's operator."
        if isinstance(job, TrainJob):
            remedy = "Try fewer units or layers, a smaller batch or length, or a shorter text."
        return Failed(problem="The worker ran out of memory.", remedy=remedy)
    if isinstance(error, OSError) and disk_full(error):
        return Failed(problem="The worker's disk is full.", remedy="Ask the bot's operator to make room.")
    return Failed(
        problem="Something went wrong in the worker.",
        remedy=f"Try again. If it stays so, tell the bot's operator: `{job.job_id}` is in the worker's log.",
    )
