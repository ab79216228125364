"""The count of a train worker's parent process: how trainings ended."""

from typing import Any

from celery.worker.request import Request

from shared.jobs import TRAIN_QUEUE
from shared.metrics import JOBS


class TrainingRequest(Request):  # type: ignore[misc]
    """Celery's request for a training, in the worker's parent process: counts how it ended, as its child says."""

    def send_event(self, type: str, **fields: Any) -> None:
        """Celery reports a success by its event alone, with what the task returned as `repr` gives it."""
        if type == "task-succeeded" and (outcome := fields["result"].strip("'")) != "None":
            JOBS.labels(TRAIN_QUEUE, outcome).inc()
        super().send_event(type, **fields)
