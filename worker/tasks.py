"""The Celery tasks: unpack the message, hand it over. What a job does is in `worker.run` and `worker.quick`."""

from __future__ import annotations

from typing import Any

from celery import Task, signals
from celery.exceptions import Reject

from shared.jobs import TRAIN_TASK
from worker.answer import HandBack
from worker.app import app
from worker.quick import QUICK, Quick
from worker.run import run_train


@app.task(name=TRAIN_TASK, bind=True)
def train(self: Task, job: dict[str, Any]) -> None:
    """Run the training whose turn it is; a worker that is stopping gives it back to the queue."""
    try:
        run_train(job, delivery_tag=self.request.properties["delivery_tag"], token=self.request.id)
    except HandBack as reason:
        raise Reject(reason, requeue=True) from reason


def _add(quick: Quick[Any]) -> None:
    @app.task(name=quick.task, acks_late=quick.late)
    def run(job: dict[str, Any]) -> None:
        quick.run(job)


for _quick in QUICK:
    _add(_quick)


@signals.worker_process_init.connect
def _start_child(**_: Any) -> None:
    from worker.serve import start_child

    start_child()
