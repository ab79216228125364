"""Sends attempts at jobs to the workers. A message has ids only, because Celery's tools show it."""

import structlog
from celery import Celery
from kombu.exceptions import OperationalError

from shared.jobs import GENERATE_QUEUE, TRAIN_QUEUE, Job, TrainJob, task_name
from shared.queues import message_id

PUBLIC_SOURCES = ("catalogue", "corpora-dir", "python-docs")  # texts from there have titles that anybody may see

log = structlog.get_logger()


def send(celery: Celery, job: Job, attempt: int, nonce: str, *, priority: int = 0, expires: int | None = None) -> None:
    """Send an attempt's message. Blocks. If Redis can't be reached, log that: the bot finds the job and sends it again.

    `celery` must have `task_serializer="json"` and `shared.queues.TRANSPORT`; `priority`: of a training; `expires`:
    seconds after which no worker takes it; None: never.
    """
    # What `celery inspect` and Flower call it: its kind, its server, and the title of a public text only.
    shadow = f"{job.kind} for server {job.place.guild_id}"
    if isinstance(job, TrainJob) and job.corpus.source in PUBLIC_SOURCES:
        shadow = f"{shadow}: {job.corpus.title}"
    try:
        celery.send_task(
            task_name(job.kind),
            kwargs={"job_id": job.job_id, "attempt": attempt, "nonce": nonce},
            task_id=message_id(job.job_id, attempt),
            shadow=shadow,
            # All but trainings go to the generate worker, which is quick.
            queue=TRAIN_QUEUE if isinstance(job, TrainJob) else GENERATE_QUEUE,
            priority=priority,
            expires=expires,
            ignore_result=True,
            retry=False,
        )
    except OperationalError as error:
        log.warning("job_not_sent", job_id=job.job_id, attempt=attempt, error=type(error).__name__)
