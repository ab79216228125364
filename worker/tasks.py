"""The Celery tasks: they unpack the message; `worker.training.train_job` or `worker.serving.handlers` do the job."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from celery import Task, signals
from celery.exceptions import Reject

from shared.jobs import TRAIN_TASK
from worker.app import app
from worker.jobs.job_errors import HandBack
from worker.serving.handlers import HANDLERS, Handler
from worker.training.train_job import run_train


@app.task(name=TRAIN_TASK, bind=True)
def train(self: Task, job: dict[str, Any]) -> None:
    """Run the training whose turn it is; a worker that is stopping gives it back to the queue."""
    try:
        run_train(job, delivery_tag=self.request.properties["delivery_tag"], token=self.request.id)
    except HandBack as reason:
        raise Reject(reason, requeue=True) from reason


def _add(handler: Handler[Any]) -> None:
    @app.task(name=handler.task, acks_late=handler.late, bind=True)
    def run(self: Task, job: dict[str, Any]) -> None:
        expires = self.request.expires  # ISO 8601, with the time zone
        handler.run(job, datetime.fromisoformat(expires) if expires else None)


for _handler in HANDLERS:
    _add(_handler)


@signals.setup_logging.connect
def _keep_logging(**_: Any) -> None:
    """Connected in the pool's child, too: else Celery writes lines of its own there before `start_child`."""


@signals.worker_process_init.connect
def _start_child(**_: Any) -> None:
    from worker.serve import start_child

    start_child()
