"""The handlers of jobs that a person waits for; all are run one way. No Celery here."""

import contextlib
import functools
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Generic, NamedTuple

import redis

from shared.connect import connect
from shared.events import Event
from shared.jobs import CompareJob, ExportJob, GenerateJob, ImportJob, PictureJob, QuizJob, SurpriseJob
from shared.logging import job_context
from shared.metrics import JOBS
from shared.settings import get_settings
from worker import transfer, writing
from worker.events import JobEvents
from worker.jobs import J, JobContext, begin, carry_out
from worker.passes import Passes
from worker.warm import warm_models

AT_ONCE = 4  # so many jobs that write nothing; more would only slow each other down
_TO_TELL = 0.1  # of the time that is left to a job: kept to say that it was not enough
_slots = Passes(AT_ONCE)


class Handler(NamedTuple, Generic[J]):
    """The work for one kind of job."""

    kind: type[J]
    work: Callable[[J, JobContext], Event | None]  # returns the job's last event, or None: it has sent that itself
    in_passes: bool = False  # it waits for its turn in `worker.warm`: any number may run

    def run(self, job_id: str, attempt: int, nonce: str, expires: datetime | None = None) -> None:
        """Do the job and publish its end. Safe from many threads.

        `expires`: when whoever asked gives it up; None: `Settings.generate_timeout_s` from now on.
        """
        settings = get_settings()
        client = _client(settings.redis_address)
        job_events = JobEvents(client, job_id)
        job = begin(job_events, self.kind, attempt, nonce)
        if job is None:
            return
        # It is given up so long before it expires that a refusal still arrives.
        left_s = (expires - datetime.now(UTC)).total_seconds() if expires else settings.generate_timeout_s
        until = time.monotonic() + (1 - _TO_TELL) * left_s
        context = JobContext(settings, client, job_events, warm_models(), until)
        slot = contextlib.nullcontext() if self.in_passes else _slots.turn(job.place.guild_id, gives_way=False)
        with job_context(job), slot:
            outcome = carry_out(job, job_events, functools.partial(self.work, job, context))
        JOBS.labels(job.kind, outcome).inc()


HANDLERS: dict[str, Handler[Any]] = {
    "generate": Handler(GenerateJob, writing.generate, in_passes=True),
    "compare": Handler(CompareJob, writing.compare, in_passes=True),
    "surprise": Handler(SurpriseJob, writing.surprise, in_passes=True),
    "picture": Handler(PictureJob, writing.picture),
    "quiz": Handler(QuizJob, writing.quiz, in_passes=True),
    "export": Handler(ExportJob, transfer.export),
    "import": Handler(ImportJob, transfer.import_),
}


@functools.cache
def _client(_address: str) -> redis.Redis:
    """Return one client for all threads: hundreds of jobs may wait, and need no connection each."""
    return connect(get_settings(), timeout=60.0)
