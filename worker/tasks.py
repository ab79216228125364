"""The Celery tasks: they unpack the message; `worker.training.train_job` or `worker.serving.handlers` do the job.

Both are imported only when there is something to do: Celery imports this before a worker is set up.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, get_args

from celery import Task
from celery.exceptions import Reject

from shared.jobs import TRAIN_TASK, Asked, DeleteJob, task_name
from worker.app import app


@app.task(name=TRAIN_TASK, bind=True)
def train(self: Task, job: dict[str, Any]) -> None:
    """Run the training whose turn it is; a worker that is stopping gives it back to the queue."""
    from worker.jobs.job_errors import HandBack
    from worker.training.train_job import run_train

    try:
        run_train(job, delivery_tag=self.request.properties["delivery_tag"], token=self.request.id)
    except HandBack as reason:
        raise Reject(reason, requeue=True) from reason


def _add(kind: str) -> None:
    # What a person waits for is worth nothing a minute later, and is never delivered again.
    @app.task(name=task_name(kind), acks_late=kind == "delete", bind=True)
    def run(self: Task, job: dict[str, Any]) -> None:
        from worker.serving.handlers import HANDLERS

        expires = self.request.expires  # ISO 8601, with the time zone
        HANDLERS[kind].run(job, datetime.fromisoformat(expires) if expires else None)


for _kind in (*get_args(Asked), DeleteJob):
    _add(_kind.model_fields["kind"].default)
