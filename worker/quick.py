"""The jobs that a person waits for, and the deletions: all are run one way. No Celery here."""

from __future__ import annotations

import contextlib
import functools
import threading
from collections.abc import Callable
from typing import Any, Generic, NamedTuple

import redis

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
from worker import draw, transfer, write
from worker.answer import J, answer_errors, in_context, unpack_message
from worker.joblog import JobLog
from worker.parts import Parts
from worker.warm import warm_models

ONE_BY_ONE = 4
_one_by_one = threading.BoundedSemaphore(ONE_BY_ONE)


class Quick(NamedTuple, Generic[J]):
    """How a kind of job is run.

    Attributes:
        kind: its message.
        work: what it does; gives the job's last event.
        late: acknowledged when it is over, so that a dying worker gives it back. What a person waits for is worth
            nothing a minute later and is never delivered again.
    """

    kind: type[J]
    work: Callable[[J, Parts], Event]
    late: bool = False
    gathered: bool = False

    @property
    def task(self) -> str:
        """Name of its Celery task (`shared.jobs.task_of`)."""
        return f"worker.{self.kind.model_fields['kind'].default}"

    def run(self, message: dict[str, Any]) -> None:
        """Do the job and publish what came of it. Many threads may do so at once."""
        client = _client(get_settings().redis_address)
        job = unpack_message(client, self.kind, message)
        if job is None:
            return
        with in_context(job):
            joblog = JobLog(client, job.job_id)
            if joblog.is_over():
                return
            joblog.begin()
            parts = Parts(get_settings(), client, joblog, warm_models())
            with contextlib.nullcontext() if self.gathered else _one_by_one:
                answer_errors(joblog, lambda: joblog.publish(self.work(job, parts)))
            joblog.end()


QUICK: tuple[Quick[Any], ...] = (
    Quick(GenerateJob, write.generate, gathered=True),
    Quick(CompareJob, write.compare, gathered=True),
    Quick(SurpriseJob, draw.surprise),
    Quick(PictureJob, draw.picture),
    Quick(ExportJob, transfer.export),
    Quick(ImportJob, transfer.import_),
    Quick(DeleteJob, transfer.delete, late=True),
)


@functools.cache
def _client(_address: str) -> redis.Redis:
    """One for all threads, so that a job needs no connection of its own."""
    return connect_for_threads(get_settings())
