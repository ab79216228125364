"""What a worker counts."""

import pytest
import redis
from celery.worker.request import Request

from shared.metrics import JOBS
from tests.worker.jobs import generate_job, run
from worker.serve import TrainingRequest


def ended(kind: str, outcome: str) -> float:
    return JOBS.labels(kind, outcome)._value.get()


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
