"""What a worker counts, what a train worker's child tells its parent, and how a worker says that it is not well."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from shared import keys
from shared.connect import connect
from shared.events import Cancelled, Failed, Progress
from shared.jobs import GENERATE_QUEUE, TRAIN_QUEUE
from shared.presence import Heartbeat
from shared.settings import Settings, get_settings
from tests import lives
from tests.e2e.system import free_port
from tests.worker.jobs import generate_job, run
from worker import gpus
from worker.jobs.job_errors import Stopped
from worker.jobs.lease import STALLED_AFTER_S
from worker.metrics.numbers import JOBS, WRITTEN, Gpus, Training, worker_registry
from worker.metrics.served import Watched, WorkerHealth
from worker.metrics.told import SOCKET_VARIABLE, Numbers, Teller

HALF = Progress(epoch=2, epochs=2, step=0, steps=10, train_loss=1.5, heldout_loss=1.75, eta_s=9.0, chars_per_s=1_000.0)


def shown(training: Training) -> dict[str, float]:
    """The values without buckets."""
    return {
        sample.name: sample.value for family in training.collect() for sample in family.samples if not sample.labels
    }


def ended(kind: str, outcome: str) -> float:
    return JOBS.labels(kind, outcome)._value.get()


@pytest.fixture
def parent(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Watched]:
    """What a train worker's parent has of it; this process is the child as well."""
    monkeypatch.delenv(SOCKET_VARIABLE, raising=False)
    with Watched(
        settings.model_copy(update={"metrics_port": free_port()}), TRAIN_QUEUE, "train@here:1", tmp_path
    ) as one:
        yield one


def until(true: object) -> None:
    deadline = time.monotonic() + 20
    while not true():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_the_parent_shows_what_the_child_tells(parent: Watched, client: redis.Redis) -> None:
    training, before = parent._training, ended("train", "cancelled")
    teller, joblog = Teller(), lives.take(client, "t-1")
    with teller.training(joblog):
        teller.progress(HALF)
        until(lambda: shown(training).get("galvanic_training_heldout_loss_nats") == 1.75)
        now = shown(training)
        assert now["galvanic_training_progress_ratio"] == 0.5
        assert now["galvanic_training_chars_per_second"] == 1_000
        assert training.running
        joblog.publish(Cancelled())
    until(lambda: ended("train", "cancelled") == before + 1)
    assert not training.running
    assert "galvanic_training_heldout_loss_nats" not in shown(training), "it is over"


@pytest.mark.parametrize("outcome", ["failed", "interrupted", "superseded"])
def test_how_a_training_ended(parent: Watched, client: redis.Redis, outcome: str) -> None:
    before, joblog = ended("train", outcome), lives.take(client, "t-1")

    def attempt() -> None:
        with Teller().training(joblog):
            if outcome == "failed":
                joblog.publish(Failed(problem="It is too short."))
            elif outcome == "interrupted":
                raise Stopped("the worker is stopping")

    if outcome == "interrupted":
        with pytest.raises(Stopped):
            attempt()
    else:
        attempt()
    until(lambda: ended("train", outcome) == before + 1)


def test_a_child_that_ends_without_a_word_is_counted() -> None:
    training = Training()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        training.hear(Numbers(pid=child.pid, progress=HALF))
        assert training.running
        child.kill()
    assert not training.running
    assert shown(training)["galvanic_training_processes_killed_total"] == 1
    assert "galvanic_training_loss_nats" not in shown(training)


def test_nothing_waits_for_a_parent_that_does_not_listen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "socket"
    monkeypatch.setenv(SOCKET_VARIABLE, str(path))
    teller = Teller()
    teller.progress(HALF)  # nobody is there
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as late:
        late.bind(str(path))
        for _ in range(5_000):  # more than a socket holds
            teller.progress(HALF)
        assert Numbers.model_validate_json(late.recv(65_536)).progress == HALF


def test_without_a_port_nothing_is_served_or_told(settings: Settings, tmp_path: Path) -> None:
    with Watched(settings, TRAIN_QUEUE, "train@here:1", tmp_path) as watched:
        assert watched.port is None
        assert SOCKET_VARIABLE not in os.environ
    assert list(tmp_path.glob("*.sock")) == []


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
    page = generate_latest(worker_registry(settings, queue, Training())).decode()
    assert list(text_string_to_metric_families(page))
    assert f'service="{queue}"' in page


def test_a_worker_is_ill_when_its_heartbeat_stops(settings: Settings) -> None:
    health = WorkerHealth(settings, TRAIN_QUEUE, "train@here:1", Training())
    assert "not yet" in health.look().problems[0]
    heartbeat = Heartbeat(settings, TRAIN_QUEUE, "train@here:1")
    heartbeat.start()
    until(lambda: health.look().ok)
    heartbeat.stop()
    connect(settings).zadd(keys.workers(TRAIN_QUEUE), {"train@here:1": time.time() - 30})
    assert health.look().problems == ("Its heartbeat stopped 30 s ago: it counts as gone.",)


def test_a_training_without_headway_is_ill(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    connect(settings).zadd(keys.workers(TRAIN_QUEUE), {"train@here:1": time.time() + 60})
    training = Training()
    health = WorkerHealth(settings, TRAIN_QUEUE, "train@here:1", training)
    training.hear(Numbers(pid=os.getpid(), progress=HALF))
    assert (health.look().ok, health.look().state) == (True, "a training runs")
    training.heard_at -= STALLED_AFTER_S + 60
    assert health.look().problems == ("The running training has made no headway for 16 minutes.",)


def test_a_generate_worker_is_well_once_tensorflow_is_there(settings: Settings) -> None:
    connect(settings).zadd(keys.workers(GENERATE_QUEUE), {"generate@here:1": time.time() + 60})
    health = WorkerHealth(settings, GENERATE_QUEUE, "generate@here:1", Training())
    assert health.look().problems == ("TensorFlow is still being loaded.",)
    with pytest.raises(ImportError), health.loading():
        raise ImportError("libcudart.so")
    assert "cannot be loaded (ImportError)" in health.look().problems[0]
    with health.loading():
        pass


def test_redis_away_is_said(settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("REDIS_URL", f"unix://{tmp_path}/nowhere.sock")
    get_settings.cache_clear()
    health = WorkerHealth(Settings(), TRAIN_QUEUE, "train@here:1", Training())
    assert health.look().problems[0].startswith("Redis cannot be reached")
