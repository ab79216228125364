"""The jobs that a person waits for, and the deletions: all are run one way. No Celery here."""

from __future__ import annotations

import contextlib
import functools
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Generic, NamedTuple

import redis
import structlog

from shared import presence
from shared.connect import connect_for_threads
from shared.events import Event
from shared.jobs import (
    CompareJob,
    DeleteJob,
    ExportJob,
    GenerateJob,
    ImportJob,
    PictureJob,
    SurpriseJob,
)
from shared.settings import get_settings
from worker import transfer
from worker import writing as draw
from worker import writing as write
from worker.events import JobEvents, Superseded
from worker.jobs import J, JobContext, answer_errors, in_context, unpack
from worker.metrics.numbers import counted
from worker.warm import warm_models

log = structlog.get_logger()

AT_ONCE = 4  # so many jobs that are not gathered; more would only slow each other down
_TO_TELL = 0.1  # of the time that is left to a job: kept to say that it was not enough
_slots = threading.BoundedSemaphore(AT_ONCE)


class Handler(NamedTuple, Generic[J]):
    """How a kind of job is run."""

    kind: type[J]
    work: Callable[[J, JobContext], Event | None]  # returns the job's last event, or None: it has sent that itself
    gathered: bool = False  # those for one model are served together (`worker.warm`): any number may run

    def run(self, job_id: str, attempt: int, nonce: str, expires: datetime | None = None) -> None:
        """Do the job and publish its end. Safe from many threads.

        `expires`: when whoever asked gives it up; None: `Settings.generate_timeout_s` from now on.
        """
        client = _client(get_settings().redis_address)
        job_events = JobEvents(client, job_id)
        data = job_events.begin(attempt, nonce, worker=presence.own_name())
        job = unpack(job_events, self.kind, data) if data is not None else None
        if job is None:
            return
        with in_context(job):
            context = JobContext(get_settings(), client, job_events, warm_models(), _until(expires))
            try:
                with contextlib.nullcontext() if self.gathered else _slots, counted(job.kind, job_events):
                    answer_errors(job_events, lambda: self._carry_out(job, context))
            except Superseded:
                log.warning("job_superseded", attempt=job_events.attempt)  # or taken back: others have answered
            except redis.RedisError as error:
                log.error("redis_lost", error=type(error).__name__)
                raise
            else:
                log.info("job_ended", kind=job.kind, outcome=job_events.outcome)

    def _carry_out(self, job: J, context: JobContext) -> None:
        if (event := self.work(job, context)) is not None:
            context.job_events.publish(event)


HANDLERS: dict[str, Handler[Any]] = {
    "generate": Handler(GenerateJob, write.generate, gathered=True),
    "compare": Handler(CompareJob, write.compare, gathered=True),
    "surprise": Handler(SurpriseJob, draw.surprise),
    "picture": Handler(PictureJob, draw.picture),
    "export": Handler(ExportJob, transfer.export),
    "import": Handler(ImportJob, transfer.import_),
    "delete": Handler(DeleteJob, transfer.delete),
}


def _until(expires: datetime | None) -> float:
    """When to give up a job, as `time.monotonic` has it: so long before it expires that a refusal still arrives."""
    left_s = (expires - datetime.now(UTC)).total_seconds() if expires else get_settings().generate_timeout_s
    return time.monotonic() + (1 - _TO_TELL) * left_s


@functools.cache
def _client(_address: str) -> redis.Redis:
    """One for all threads, so that a job needs no connection of its own."""
    return connect_for_threads(get_settings())
