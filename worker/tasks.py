"""The Celery tasks: they unpack the message; `worker.training` or `worker.handlers` do the job.

Both are imported only when there is something to do: Celery imports this before a worker is set up.
"""

from __future__ import annotations

from datetime import datetime
from typing import get_args

from celery import Task

from shared.jobs import Asked, DeleteJob, task_name
from worker.app import app


@app.task(name=task_name("train"), Request="worker.metrics:TrainingRequest")
def train(job_id: str, attempt: int, nonce: str) -> str | None:
    """The result, how it ended, is counted by the worker's parent process."""
    from worker.training import run_train

    return run_train(job_id, attempt, nonce)


def _add(kind: str) -> None:
    @app.task(name=task_name(kind), bind=True)
    def run(self: Task, job_id: str, attempt: int, nonce: str) -> None:
        from worker.handlers import HANDLERS

        expires = self.request.expires  # ISO 8601, with the time zone
        HANDLERS[kind].run(job_id, attempt, nonce, datetime.fromisoformat(expires) if expires else None)


for _kind in (*get_args(Asked), DeleteJob):
    _add(_kind.model_fields["kind"].default)
