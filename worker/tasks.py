"""The tasks and signals by which Celery calls a worker; `worker.serve` answers the signals.

A task unpacks its message; `worker.training` or `worker.handlers` do the job. All three are imported only when Celery
calls, because it imports this module before the worker is set up.
"""

from datetime import datetime
from typing import Any, get_args

from celery import Task, signals

from shared.jobs import Asked, task_name
from worker.app import app


@signals.worker_init.connect
def _set_up(sender: Any, **_: Any) -> None:
    from worker.serve import set_up

    set_up(sender)


@signals.worker_process_init.connect
def _start_child(**_: Any) -> None:
    from worker.serve import start_child

    start_child()


@app.task(name=task_name("train"), Request="worker.serve:TrainingRequest")
def train(job_id: str, attempt: int, nonce: str) -> str | None:
    """Make an attempt at a training. The worker's parent process counts its outcome, which is the result."""
    from worker.training import run_train

    return run_train(job_id, attempt, nonce)


def _add(kind: str) -> None:
    @app.task(name=task_name(kind), bind=True)
    def run(self: Task, job_id: str, attempt: int, nonce: str) -> None:
        from worker.handlers import HANDLERS

        expires = self.request.expires  # ISO 8601, with the time zone
        HANDLERS[kind].run(job_id, attempt, nonce, datetime.fromisoformat(expires) if expires else None)


for _kind in get_args(Asked):
    _add(_kind.model_fields["kind"].default)
