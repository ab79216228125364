"""Begins the attempt at a training that a message names, and has it made. No Celery here."""

from __future__ import annotations

import redis
import structlog

from shared import presence
from shared.connect import connect
from shared.events import Failed
from shared.jobs import TrainJob
from shared.settings import Settings, get_settings
from worker.attempt import attempt_training
from worker.copies import remove_copies, remove_left_copies
from worker.events import JobEvents, Superseded
from worker.files import JobFiles, remove_leftovers
from worker.jobs import Stopped, answer_errors, in_context, unpack
from worker.lease import Lease
from worker.remote import StoreAway
from worker.stopping import StopDeadline
from worker.store import ModelStore

MAX_DEATHS = 3  # a job that killed its worker this often without headway (`hooks.HEADWAY_S`) is given up

log = structlog.get_logger()


def run_train(job_id: str, attempt: int, nonce: str) -> str | None:
    """Make an attempt at a training, and publish how it went; also returned, for the metrics. None: not begun."""
    settings = get_settings()
    client = connect(settings)
    job_events = JobEvents(client, job_id)
    try:
        data = job_events.begin(attempt, nonce, worker=presence.own_name(), training=True)
        job = unpack(job_events, TrainJob, data) if data is not None else None
    except redis.RedisError as error:
        log.error("redis_lost", job_id=job_id, error=type(error).__name__)  # it is sent again
        return None
    if job is None:
        log.info("attempt_not_made", job_id=job_id, attempt=attempt)
        return None
    files = JobFiles.of(settings, job_id)
    with in_context(job):
        outcome: str = "interrupted"
        try:
            lease = Lease(client, job, job_events, int(3_600 * settings.corpus_ttl_hours))
            with lease, StopDeadline(job_events, files):
                _run(settings, client, job, job_events, lease)
            outcome = job_events.outcome
        except Stopped:
            _requeue(job_events)
        except Superseded:
            log.warning("job_superseded", attempt=job_events.attempt)
            return "superseded"
        except redis.RedisError as error:
            files.note_end()
            log.error("redis_lost", error=type(error).__name__)
            return outcome
        log.info("job_ended", kind=job.kind, outcome=outcome)
        return outcome


def _run(settings: Settings, client: redis.Redis, job: TrainJob, job_events: JobEvents, lease: Lease) -> None:
    """Make one attempt at a training, unless too many in a row ended in the worker's death."""
    files = JobFiles.of(settings, job.job_id)
    if files.take_end():
        job_events.get_on()
    log.info("job_begun", kind=job.kind, attempt=job_events.attempt)
    remove_leftovers(settings, client)
    remove_left_copies(settings, client)
    if job_events.deaths() >= MAX_DEATHS:
        remedy = "The machine may be short of memory: try fewer units, or a shorter text."
        reason = f"The worker was killed {MAX_DEATHS} times while it ran this job, so the job was given up."
        job_events.publish(Failed(problem=reason, remedy=remedy))
    else:
        answer_errors(job_events, lambda: attempt_training(settings, client, job, job_events, lease))
    files.discard()  # it is over, one way or another
    try:
        remove_copies(ModelStore(settings), job.job_id)
    except StoreAway as error:
        log.warning("copies_not_removed", error=str(error))  # the next training does it, wherever that is


def _requeue(job_events: JobEvents) -> None:
    try:
        job_events.requeue()
    except redis.RedisError as error:  # its lease lapses, and it is no death: `StopDeadline` has noted the end
        log.error("redis_lost", error=type(error).__name__)
