"""Celery's queues, as both sides set them up: the order of what waits, and how to see it."""

import json
from collections.abc import Iterable
from typing import Any

from shared.jobs import GENERATE_QUEUE, TRAIN_QUEUE

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
