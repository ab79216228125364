"""What all kinds of job share: reading the message, and telling the person what went wrong. No Celery here."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TypeVar, cast

import redis
import structlog
from pydantic import ValidationError

from galvanic.checkpoint import is_full
from shared.errors import UserError
from shared.events import Failed
from shared.jobs import Job, is_job_id
from shared.logging import job_context
from worker.jobs.joblog import JobLog, Superseded
from worker.remote import StoreAway

log = structlog.get_logger()
J = TypeVar("J", bound=Job)


class HandBack(Exception):
    """The job must go back to the queue: this worker stops, or cannot reach Redis."""


def answer_errors(joblog: JobLog, work: Callable[[], None]) -> None:
    """Run `work`; whatever goes wrong is told to the person, and the cause goes to the log."""
    try:
        work()
    except (HandBack, Superseded, redis.RedisError):
        raise
    except UserError as error:
        log.info("job_refused")  # the sentences may quote what the person wrote
        joblog.publish(Failed(problem=error.problem, remedy=error.remedy))
    except MemoryError:
        log.exception("out_of_memory")
        joblog.publish(_OUT_OF_MEMORY)
    except StoreAway as error:
        log.error("store_away", error=str(error))
        joblog.publish(_NO_STORE)
    except OSError as error:
        log.exception("job_failed")
        if is_full(error):
            failed = Failed(problem="The worker's disk is full.", remedy="Ask the bot's operator to make room.")
        else:
            failed = _unknown(joblog.job_id)
        joblog.publish(failed)
    except Exception as error:
        log.exception("job_failed")
        # TensorFlow's own, which is no MemoryError, and may not be imported here.
        memory = type(error).__name__ == "ResourceExhaustedError"
        joblog.publish(_OUT_OF_MEMORY if memory else _unknown(joblog.job_id))


_NO_STORE = Failed(
    problem="The model store can't be reached just now.",
    remedy="Try again in a minute. If it stays so, the bot's operator finds the cause in the worker's log.",
)
_OUT_OF_MEMORY = Failed(
    problem="The worker ran out of memory.",
    remedy="Try fewer units or layers, a smaller batch or length, or a shorter text.",
)


def _unknown(job_id: str) -> Failed:
    return Failed(
        problem="Something went wrong in the worker.",
        remedy=f"The bot's operator can find the cause in the worker's log, under job `{job_id}`.",
    )


def unpack_message(client: redis.Redis, kind: type[J], message: object, job_id: str | None = None) -> J | None:
    """Validate a message. What cannot be read is refused in the job's own stream, if that much can be read.

    Args:
        client: Redis.
        kind: what it should be.
        message: a dictionary, or JSON.
        job_id: under which the job is known; None: it says so itself.
    """
    try:
        # As JSON, in which half characters are refused: nothing could store them.
        job = kind.model_validate_json(message if isinstance(message, bytes) else json.dumps(message))
        if job_id in (None, job.job_id):
            return cast(J, job)
        wrong = ["job_id"]
    except ValidationError as error:
        wrong = [".".join(map(str, detail["loc"])) for detail in error.errors()]
    if job_id is None and isinstance(message, dict) and is_job_id(message.get("job_id")):
        job_id = message["job_id"]
    log.error("message_refused", job_id=job_id, fields=wrong)
    if job_id is not None:
        _refuse(JobLog(client, job_id))
    return None


def _refuse(joblog: JobLog) -> None:
    if joblog.is_over():
        return
    joblog.begin()
    joblog.publish(
        Failed(
            problem="The worker can't read this job: it runs another version than the bot.",
            remedy="Ask the bot's operator to bring both to the same version.",
        )
    )


def in_context(job: Job) -> AbstractContextManager[None]:
    """Every line of the log within names the job."""
    return job_context(job.job_id, guild_id=job.place.guild_id, channel_id=job.place.channel_id)
