"""How a job is sent to the workers' queue: one way, for the bot and for whoever sends it once more."""

from __future__ import annotations

from celery import Celery

from shared.jobs import Job, task_of


def send(celery: Celery, job: Job, message_id: str, expires: int | None = None) -> None:
    """Send a job's Celery message; for a training it is only a token (`shared.turns`). Blocks.

    Args:
        celery: an application with `task_serializer="json"`.
        job: the job.
        message_id: by which Celery knows the message.
        expires: seconds after which nobody takes it any more; None: never.

    Raises:
        kombu.exceptions.OperationalError: Redis cannot be reached.
    """
    task, queue = task_of(job)
    celery.send_task(
        task,
        kwargs={"job": job.model_dump(mode="json")},
        # Else the words that a person wrote would travel once more, in a header that Celery may log.
        kwargsrepr=job.job_id,
        task_id=message_id,
        queue=queue,
        expires=expires,
        ignore_result=True,
        retry=False,
    )
