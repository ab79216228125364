"""What all kinds of job share: reading the message, and telling the person what went wrong. No Celery here."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TypeVar, cast

import redis
import structlog
from pydantic import ValidationError

from galvanic.checkpoint import is_full
from shared.errors import UserError
from shared.events import Failed
from shared.jobs import Job
from shared.logging import job_context
from shared.settings import Settings
from worker.events import JobEvents, Superseded
from worker.remote import StoreAway
from worker.warm import WarmModels

log = structlog.get_logger()
J = TypeVar("J", bound=Job)


class Stopped(Exception):
    """This worker is told to stop: the job is to wait again."""


def answer_errors(job_events: JobEvents, work: Callable[[], None]) -> None:
    """Run `work`; whatever goes wrong is told to the person, and its cause is logged."""
    try:
        work()
    except (Stopped, Superseded, redis.RedisError):
        raise
    except UserError as error:
        log.info("job_refused")  # the sentences may quote what the person wrote
        job_events.publish(Failed(problem=error.problem, remedy=error.remedy))
    except MemoryError:
        log.exception("out_of_memory")
        job_events.publish(_OUT_OF_MEMORY)
    except StoreAway as error:
        log.error("store_away", error=str(error))
        job_events.publish(_NO_STORE)
    except OSError as error:
        log.exception("job_failed")
        if is_full(error):
            failed = Failed(problem="The worker's disk is full.", remedy="Ask the bot's operator to make room.")
        else:
            failed = _unknown(job_events.job_id)
        job_events.publish(failed)
    except Exception as error:
        log.exception("job_failed")
        # TensorFlow's own, which is no MemoryError, and may not be imported here.
        memory = type(error).__name__ == "ResourceExhaustedError"
        job_events.publish(_OUT_OF_MEMORY if memory else _unknown(job_events.job_id))


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


def unpack(job_events: JobEvents, kind: type[J], data: bytes) -> J | None:
    """A job that was begun, from its JSON; what cannot be read is refused, which is the job's end."""
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
            problem="The worker can't read this job: it runs another version than the bot.",
            remedy="Ask the bot's operator to bring both to the same version.",
        )
    )
    return None


def in_context(job: Job) -> AbstractContextManager[None]:
    """Every line of the log within names the job."""
    return job_context(job.job_id, guild_id=job.place.guild_id, channel_id=job.place.channel_id)


@dataclass(frozen=True)
class JobContext:
    settings: Settings
    client: redis.Redis  # shared by all threads
    job_events: JobEvents  # its last event is published by who runs the job
    models: WarmModels  # kept in memory, and the store behind them
    until: float  # when nobody waits for an answer any more (`time.monotonic`)
