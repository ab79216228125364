"""How an attempt at a job is sent to the workers: ids alone travel, for Celery's tools show them."""

from __future__ import annotations

from celery import Celery

from shared.jobs import GENERATE_QUEUE, TRAIN_QUEUE, Job, TrainJob, task_name

PUBLIC_SOURCES = ("catalogue", "corpora-dir", "python-docs")
"""Where texts come from whose titles anybody may see."""


def send(
    celery: Celery, kind: str, job_id: str, attempt: int, nonce: str, *, shadow: str, expires: int | None = None
) -> None:
    """Send an attempt's message. Blocks.

    Args:
        celery: an application with `task_serializer="json"`.
        kind: the job's.
        job_id, attempt, nonce: which attempt at which job.
        shadow: what Celery's tools call it.
        expires: seconds after which nobody takes it any more; None: never.

    Raises:
        kombu.exceptions.OperationalError: Redis cannot be reached.
    """
    celery.send_task(
        task_name(kind),
        kwargs={"job_id": job_id, "attempt": attempt, "nonce": nonce},
        task_id=f"{job_id}-{attempt}",
        shadow=shadow,
        # All but trainings go to the generate worker, which is quick.
        queue=TRAIN_QUEUE if kind == "train" else GENERATE_QUEUE,
        expires=expires,
        ignore_result=True,
        retry=False,
    )


def shadow(job: Job) -> str:
    """What `celery inspect` and Flower call the job: its kind, its server, and the title of a public text."""
    name = f"{job.kind} for server {job.place.guild_id}"
    if isinstance(job, TrainJob) and job.corpus.source in PUBLIC_SOURCES:
        return f"{name}: {job.corpus.title}"
    return name
