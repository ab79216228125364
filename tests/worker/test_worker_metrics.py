"""What a worker counts, what its parent process knows of a training, and how a worker says that it is not well."""

from __future__ import annotations

import re
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import redis
from celery.worker.request import Request
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from shared import keys
from shared.connect import connect
from shared.events import Progress
from shared.jobs import GENERATE_QUEUE, TRAIN_QUEUE
from shared.settings import Settings
from tests import lives
from tests.factories import changed_settings
from tests.launcher.running import wait_until
from tests.worker.jobs import generate_job, run
from worker import gpus
from worker.beside import STALLED_AFTER_S, Heartbeat
from worker.metrics import JOBS, WRITTEN, Gpus, TrainingRequest, Watched

HALF = Progress(
    done=0.5, epoch=2, epochs=2, step=0, steps=10, train_loss=1.5, heldout_loss=1.75, eta_s=9.0, chars_per_s=1_000.0
)


def shown(training: Watched) -> dict[str, float]:
    """The values without buckets."""
    return {
        sample.name: sample.value for family in training.collect() for sample in family.samples if not sample.labels
    }


def ended(kind: str, outcome: str) -> float:
    return JOBS.labels(kind, outcome)._value.get()


def asked(attempt: int = 1) -> Any:
    """Celery's request for a training, as the worker's parent has it."""
    return SimpleNamespace(kwargs={"job_id": "t-1", "attempt": attempt, "nonce": "n"}, time_start=time.time())


def test_the_parent_shows_what_the_job_tells(settings: Settings, client: redis.Redis) -> None:
    requests: list[Any] = []
    training = Watched(settings, TRAIN_QUEUE, "train@here:1", requests)
    assert "galvanic_training_heldout_loss_nats" not in shown(training)
    job_events = lives.take(client, "t-1")
    requests.append(asked())
    assert training.health().state == "a training runs"
    assert "galvanic_training_heldout_loss_nats" not in shown(training), "it has told nothing yet"
    job_events.publish(HALF)
    now = shown(training)
    assert now["galvanic_training_heldout_loss_nats"] == 1.75
    assert now["galvanic_training_progress_ratio"] == 0.5
    assert now["galvanic_training_chars_per_second"] == 1_000
    requests[:] = [asked(attempt=2)]
    assert "galvanic_training_heldout_loss_nats" not in shown(training), "that was told by the attempt before"
    requests.clear()
    assert training.health().state == ""


def request() -> TrainingRequest:
    """One that Celery would make of a message; nothing is acknowledged or told."""
    return TrainingRequest.__new__(TrainingRequest)


@pytest.mark.parametrize("outcome", ["finished", "failed", "interrupted", "superseded"])
def test_how_a_training_ended(monkeypatch: pytest.MonkeyPatch, outcome: str) -> None:
    monkeypatch.setattr(Request, "send_event", lambda *_, **__: None)
    before = ended("train", outcome)
    request().send_event("task-started")
    request().send_event("task-succeeded", result=repr(outcome), runtime=2.0)
    request().send_event("task-succeeded", result=repr(None), runtime=2.0)  # its message was out of date
    assert ended("train", outcome) == before + 1


@pytest.mark.usefixtures("one_and_two")
def test_texts_are_counted(client: redis.Redis) -> None:
    written, finished, failed = WRITTEN._value.get(), ended("generate", "finished"), ended("generate", "failed")
    run(client, generate_job(1, length=50))
    run(client, generate_job(2, model_id="gone"))
    assert 0 < WRITTEN._value.get() - written <= 60
    assert (ended("generate", "finished") - finished, ended("generate", "failed") - failed) == (1, 1)


@pytest.mark.skipif(sys.platform == "win32", reason="the stand-in is a shell script")
def test_a_gpus_memory_is_in_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """No machine of the tests has a GPU, so NVIDIA's answer is made up."""
    gpu = gpus.Gpu(0, "GPU-1", "NVIDIA H100", memory_used_mb=2, memory_total_mb=3, driver="580.1")
    monkeypatch.setattr(gpus, "visible", lambda: [gpu])
    found = {sample.name: (sample.labels, sample.value) for family in Gpus().collect() for sample in family.samples}
    labels = {"gpu": "0", "name": "NVIDIA H100"}
    assert found["galvanic_gpu_memory_used_bytes"] == (labels, 2 * 1024**2)
    assert found["galvanic_gpu_memory_size_bytes"] == (labels, 3 * 1024**2)


@pytest.mark.parametrize("queue", [TRAIN_QUEUE, GENERATE_QUEUE])
def test_a_page_can_be_read_and_names_its_service(settings: Settings, queue: str) -> None:
    page = generate_latest(Watched(settings, queue, "w").registry).decode()
    assert list(text_string_to_metric_families(page))
    assert f'service="{queue}"' in page


def test_a_worker_is_ill_when_its_heartbeat_stops(settings: Settings) -> None:
    watched = Watched(settings, TRAIN_QUEUE, "train@here:1")
    assert "not yet" in watched.health().problems[0]
    with Heartbeat(settings, TRAIN_QUEUE, "train@here:1", lambda: "free"):
        wait_until(lambda: watched.health().ok)
    connect(settings).zadd(keys.workers(TRAIN_QUEUE), {"train@here:1": time.time() - 30})
    (problem,) = watched.health().problems
    assert re.fullmatch(r"Its heartbeat stopped \d\d s ago: it counts as gone\.", problem)


def test_a_training_without_headway_is_ill(settings: Settings) -> None:
    connect(settings).zadd(keys.workers(TRAIN_QUEUE), {"train@here:1": time.time() + 60})
    running = asked()
    watched = Watched(settings, TRAIN_QUEUE, "train@here:1", [running])
    assert (watched.health().ok, watched.health().state) == (True, "a training runs")
    running.time_start -= STALLED_AFTER_S + 60
    assert watched.health().problems == ("The running training has made no headway for 16 minutes.",)


def test_a_generate_worker_is_well_once_what_writes_is_compiled(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect(settings).zadd(keys.workers(GENERATE_QUEUE), {"generate@here:1": time.time() + 60})
    watched = Watched(settings, GENERATE_QUEUE, "generate@here:1")
    assert watched.health().problems == ("What writes texts is still being compiled.",)
    monkeypatch.setitem(sys.modules, "galvanic.streams", None)
    with pytest.raises(ImportError):
        watched.compile()
    assert "cannot be compiled (ModuleNotFoundError)" in watched.health().problems[0]
    monkeypatch.setitem(sys.modules, "galvanic.streams", SimpleNamespace(compile_loop=lambda: None))
    watched.compile()
    assert watched.health().ok


def test_redis_away_is_said(settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    away = changed_settings(monkeypatch, REDIS_URL=f"unix://{tmp_path}/nowhere.sock")
    watched = Watched(away, TRAIN_QUEUE, "train@here:1")
    assert watched.health().problems[0].startswith("Redis cannot be reached")
