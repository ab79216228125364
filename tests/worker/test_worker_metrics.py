"""What a worker counts, and what its parent process shows of a training."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import pytest
import redis
from celery.worker.request import Request

from shared.events import Progress
from shared.metrics import JOBS
from shared.settings import Settings
from tests import lives
from tests.worker.jobs import generate_job, run
from worker.metrics import RunningTraining, TrainingRequest

HALF = Progress(
    done=0.5, epoch=2, epochs=2, step=0, steps=10, train_loss=1.5, heldout_loss=1.75, eta_s=9.0, chars_per_s=1_000.0
)


def shown(training: RunningTraining) -> dict[str, float]:
    return {sample.name: sample.value for family in training.collect() for sample in family.samples}


def ended(kind: str, outcome: str) -> float:
    return JOBS.labels(kind, outcome)._value.get()


def request(attempt: int) -> Any:
    """Celery's request for a training, as the worker's parent has it."""
    return SimpleNamespace(kwargs={"job_id": "t-1", "attempt": attempt, "nonce": "n"}, time_start=time.time())


def test_the_parent_shows_what_the_job_tells(settings: Settings, client: redis.Redis) -> None:
    requests: list[Any] = []
    training = RunningTraining(settings, requests)
    assert not shown(training)
    job_events = lives.take(client, "t-1")
    requests.append(request(1))
    assert not shown(training), "it has told nothing yet"
    job_events.publish(HALF)
    assert shown(training) == {
        "galvanic_training_heldout_loss_nats": 1.75,
        "galvanic_training_chars_per_second": 1_000,
    }
    requests[:] = [request(2)]
    assert not shown(training), "that was told by the attempt before"
    away = RunningTraining(Settings(redis_url="unix:///nowhere/redis.sock"), requests)  # type: ignore[arg-type]
    assert not shown(away)


@pytest.mark.parametrize("outcome", ["finished", "failed", "interrupted", "superseded"])
def test_how_a_training_ended(monkeypatch: pytest.MonkeyPatch, outcome: str) -> None:
    monkeypatch.setattr(Request, "send_event", lambda *_, **__: None)
    training = TrainingRequest.__new__(TrainingRequest)
    before = ended("train", outcome)
    training.send_event("task-started")
    training.send_event("task-succeeded", result=repr(outcome), runtime=2.0)
    training.send_event("task-succeeded", result=repr(None), runtime=2.0)  # its message was out of date
    assert ended("train", outcome) == before + 1


@pytest.mark.usefixtures("one_and_two")
def test_texts_are_counted(client: redis.Redis) -> None:
    finished, failed = ended("generate", "finished"), ended("generate", "failed")
    print(run(client, generate_job(1, length=50)))
    run(client, generate_job(2, model_id="gone"))
    assert (ended("generate", "finished") - finished, ended("generate", "failed") - failed) == (1, 1)
