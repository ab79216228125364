"""The Celery tasks: unpack the message, hand it over. What a job does is in `worker.run` and `worker.write`."""

from __future__ import annotations

from typing import Any

from celery import Task, signals
from celery.exceptions import Reject

from shared.jobs import GENERATE_TASK, TRAIN_TASK
from worker.answer import HandBack
from worker.app import app
from worker.run import run_train
from worker.write import run_generate


@app.task(name=TRAIN_TASK, bind=True)
def train(self: Task, job: dict[str, Any]) -> None:
    """Run the training whose turn it is; a worker that is stopping gives it back to the queue."""
    try:
        run_train(job, delivery_tag=self.request.properties["delivery_tag"], token=self.request.id)
    except HandBack as reason:
        raise Reject(reason, requeue=True) from reason


# Worth nothing a minute later, so it is never delivered again: acknowledged before it runs.
@app.task(name=GENERATE_TASK, acks_late=False)
def generate(job: dict[str, Any]) -> None:
    """Run a GenerateJob."""
    run_generate(job)


@signals.worker_process_init.connect
def _start_child(**_: Any) -> None:
    from worker.serve import start_child

    start_child()
