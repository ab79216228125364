"""Celery's queues, as both sides set them up: the sending of attempts, the order of what waits, and how to see it."""

import json
from collections.abc import Iterable
from typing import Any

import structlog
from celery import Celery
from kombu.exceptions import OperationalError

from shared.jobs import GENERATE_QUEUE, TRAIN_QUEUE, Job, TrainJob, task_name

PUBLIC_SOURCES = ("catalogue", "corpora-dir", "python-docs")  # texts from there have titles that anybody may see

RESUMED, FIRST, FURTHER = 0, 3, 6
"""Priorities of trainings: one that waits again, a server's first, its others. The lowest goes first, so servers take
turns. Celery's own default, which all other jobs have, is 0."""
_SEPARATOR = ":"
TRANSPORT: dict[str, Any] = {
    "queue_order_strategy": "priority",
    "priority_steps": [RESUMED, FIRST, FURTHER],
    "sep": _SEPARATOR,
}
"""Options that whoever sends and whoever works must have alike: a queue is a list in Redis for each priority."""

log = structlog.get_logger()


def send(celery: Celery, job: Job, attempt: int, nonce: str, *, priority: int = 0, expires: int | None = None) -> None:
    """Send an attempt's message. Blocks. If Redis can't be reached, log that: the bot finds the job and sends it again.

    The message has ids only, because Celery's tools show it. `celery` must have `task_serializer="json"` and
    `TRANSPORT`; `priority`: of a training; `expires`: seconds after which no worker takes it; None: never.
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


def lists_of(queue: str) -> list[str]:
    """Return the keys of a queue's lists, in the order in which workers take from them."""
    names = {TRAIN_QUEUE: (RESUMED, FIRST, FURTHER), GENERATE_QUEUE: (RESUMED,)}[queue]
    return [f"{queue}{_SEPARATOR}{priority}" if priority else queue for priority in names]


def message_id(job_id: str, attempt: int) -> str:
    """Return the id of an attempt's message, which Celery's tools call the task's."""
    return f"{job_id}-{attempt}"


def id_of(message: bytes) -> str | None:
    """Return the id of a message as it lies in a list; None: it is not Celery's."""
    try:
        task_id = json.loads(message)["headers"]["id"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return task_id if isinstance(task_id, str) else None


def ids_in_order(lists: Iterable[list[bytes]]) -> list[str]:
    """Return the ids of the messages in a queue's lists, the next one first."""
    ids = (id_of(message) for messages in lists for message in reversed(messages))
    return [task_id for task_id in ids if task_id is not None]
