"""What a train job does: claim the training whose turn it is, have it made, give it back if need be. No Celery here."""

from __future__ import annotations

from typing import Any, cast

import redis
import structlog

from shared import keys, turns
from shared.connect import connect
from shared.events import Failed
from shared.jobs import TrainJob, is_job_id
from shared.settings import Settings, get_settings
from worker.jobs.job_errors import HandBack, answer_errors, in_context, unpack_message
from worker.jobs.job_files import JobFiles, remove_leftovers
from worker.jobs.joblog import JobLog, Superseded, run_script
from worker.jobs.lease import Lease
from worker.metrics.told import TELLER, outcome_of
from worker.remote import StoreAway
from worker.stopping import StopDeadline
from worker.store import ModelStore
from worker.training.attempt import attempt_training
from worker.training.copies import remove_copies, remove_left_copies

MAX_DEATHS = 3
"""A job that killed its worker this often, without headway in between (`hooks.HEADWAY_S`), is given up."""

log = structlog.get_logger()


def run_train(message: dict[str, Any], delivery_tag: str, token: str | None = None) -> None:
    """Train the model that the next TrainJob asks for, and publish how it went.

    Args:
        message: a TrainJob. It is only a token (`shared.turns`): the training whose turn it is may be another one.
        delivery_tag: Celery's, of the message.
        token: id of the message; None: that of the job in it.

    Raises:
        HandBack: the job is to be delivered again.
    """
    settings = get_settings()
    client = connect(settings)
    token = token or (message.get("job_id") if isinstance(message, dict) else None)
    if not isinstance(token, str):
        unpack_message(client, TrainJob, message)  # says in the log what is wrong with it
        return
    job = _next_job(settings, client, token)
    if job is None:
        return
    text_ttl_s = int(3_600 * settings.corpus_ttl_hours)
    with in_context(job):
        joblog = JobLog(client, job.job_id)
        try:
            files = JobFiles.of(settings, job.job_id)
            lease = Lease(client, delivery_tag, job, token, text_ttl_s)
            with TELLER.training(joblog), lease, StopDeadline(client, joblog, token, files):
                _run(settings, client, job, joblog, lease)
            log.info("job_ended", kind=job.kind, outcome=outcome_of(joblog))
        except HandBack:
            _hand_back(joblog, token)
            log.info("job_ended", kind=job.kind, outcome="interrupted")
            raise
        except Superseded:
            log.warning("job_superseded", attempt=joblog.attempt)
        except redis.RedisError as error:
            JobFiles.of(settings, job.job_id).note_end()
            raise _lost(error) from error


def _next_job(settings: Settings, client: redis.Redis, token: str) -> TrainJob | None:
    """The training whose turn it is; None when none waits, or nobody can read its message.

    Raises:
        HandBack: Redis cannot be reached.
    """
    try:
        remove_leftovers(settings, client)
        remove_left_copies(settings, client)
        claimed = _claim(settings, client, token)
    except redis.RedisError as error:
        raise _lost(error) from error
    if claimed is None:
        log.info("nothing_waits", token=token)
        return None
    job_id, message = claimed
    return unpack_message(client, TrainJob, message, job_id)


def _claim(settings: Settings, client: redis.Redis, token: str) -> tuple[str, bytes] | None:
    """The training whose turn it is, its id and its message; None when none waits.

    Raises:
        redis.RedisError: Redis cannot be reached.
    """
    while (reply := cast(bytes | None, run_script(client, turns.claim(token)))) is not None:
        job_id = reply.decode()
        joblog = JobLog(client, job_id)
        data = cast(bytes | None, client.hget(keys.job(job_id), "job"))
        if data is not None and not joblog.is_over():
            return job_id, data
        log.info("job_already_over", job_id=job_id)
        joblog.close()
        if is_job_id(job_id):
            JobFiles.of(settings, job_id).discard()
    return None


def _run(settings: Settings, client: redis.Redis, job: TrainJob, joblog: JobLog, lease: Lease) -> None:
    """Make one attempt at a training, unless too many in a row ended in the worker's death."""
    if JobFiles.of(settings, job.job_id).take_end():
        joblog.end()
    joblog.begin()
    log.info("job_begun", kind=job.kind, attempt=joblog.attempt)
    if joblog.deaths() >= MAX_DEATHS:
        remedy = "The machine may be short of memory: try fewer units, or a shorter text."
        reason = f"The worker was killed {MAX_DEATHS} times while it ran this job, so the job was given up."
        joblog.publish(Failed(problem=reason, remedy=remedy))
    else:
        answer_errors(joblog, lambda: attempt_training(settings, client, job, joblog, lease))
    JobFiles.of(settings, job.job_id).discard()  # it is over, one way or another
    try:
        remove_copies(ModelStore(settings), job.job_id)
    except StoreAway as error:
        log.warning("copies_not_removed", error=str(error))  # the next training does it, wherever that is
    joblog.end()


def _hand_back(joblog: JobLog, token: str) -> None:
    try:
        joblog.end()
        joblog.hand_back(token)
    except redis.RedisError as error:  # the token comes again all the same, and brings this job with it
        log.error("redis_lost", error=type(error).__name__)


def _lost(error: redis.RedisError) -> HandBack:
    log.error("redis_lost", error=type(error).__name__)
    return HandBack("Redis cannot be reached")
