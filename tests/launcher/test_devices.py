"""How many train workers there are, and what each is given."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import psutil
import pytest
import redis
from celery import Celery

from galvanic.options import TrainOptions
from launcher.system import train_parts, worker_options
from shared import keys
from shared.connect import connect
from shared.corpora import pack
from shared.events import Finished, parse_event
from shared.jobs import TrainJob
from shared.messages import send
from shared.settings import Settings
from tests import lives
from tests.factories import place
from tests.launcher.running import PATIENCE_S, Run, wait_until
from tests.worker.machines import gpu_machine
from tests.worker.texts import babble, corpus

pytestmark = pytest.mark.process

TEXT = babble(1_500)
JOBS = 2


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def two_cards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What this process starts finds two cards. TensorFlow is hidden from it by the record of another build."""
    for name, value in gpu_machine(tmp_path / "machine", "A10G", "A10G").items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


def test_one_train_worker_for_each_gpu(two_cards: None, said: list[str]) -> None:
    assert worker_options(Settings(), said.append) == [("--gpu", "GPU-0001-x"), ("--gpu", "GPU-0002-x")]
    assert said == ["2 train workers on 2 GPUs"]


def test_more_workers_than_gpus_take_turns_on_them(two_cards: None, said: list[str]) -> None:
    options = worker_options(Settings(train_workers=3), said.append)
    assert [gpu for _, gpu in options] == ["GPU-0001-x", "GPU-0002-x", "GPU-0001-x"]


def test_only_the_gpus_that_may_be_used_count(
    two_cards: None, monkeypatch: pytest.MonkeyPatch, said: list[str]
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    assert worker_options(Settings(), said.append) == [()], "one card needs no choosing"
    assert said == []


def test_without_a_gpu_there_is_one_or_each_gets_its_share_of_the_cores(
    monkeypatch: pytest.MonkeyPatch, said: list[str]
) -> None:
    assert worker_options(Settings(), said.append) == [()]
    assert worker_options(Settings(train_workers=1), said.append) == [()]
    assert said == []
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    options = worker_options(Settings(train_workers=2), said.append)
    assert len(options) == 2
    assert {option for option, _ in options} == {"--cores"}
    assert all(1 <= int(number) <= max(1, cores // 2) for _, number in options)


@pytest.mark.long
def test_two_gpus_share_the_trainings_and_each_worker_sees_its_own(
    run: Run, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The launcher's parts, Celery, and TensorFlow for real; it computes on the CPU, for there is no card."""
    monkeypatch.setenv("PATH", gpu_machine(tmp_path / "machine", "A10G", "A10G")["PATH"])
    client = connect(settings)
    cards = ["GPU-0001-x", "GPU-0002-x"]
    parts = train_parts(client, [("--gpu", card) for card in cards], ())
    assert [part.name for part in parts] == ["train", "train-2"]
    fields = ("name", "command", "stage", "stop_wait_s", "stop_note")
    launcher = run.start([{name: getattr(part, name) for name in fields} for part in parts])
    wait_until(lambda: len(_alive(client)) == 2)
    assert sorted(_cards(run)) == cards, "each of the two services sees one card"

    # Neither worker takes another one while it trains.
    with Celery("tests", broker=settings.broker_url, task_serializer="json") as app:
        ids = [_enter(app, client, number) for number in range(JOBS)]
    wait_until(lambda: all(_ended(client, job_id) for job_id in ids), 3 * PATIENCE_S)
    # The log of a part is written by the process manager, a little later.
    wait_until(lambda: len([job for part in parts for job in _trained(run, part.name)]) >= JOBS)
    made = [_trained(run, part.name) for part in parts]
    assert all(len(jobs) == 1 for jobs in made), "both made one"
    assert sorted(job for jobs in made for job in jobs) == ids, "each was made once"

    launcher.terminate()
    assert launcher.wait(PATIENCE_S) == 0
    run.wait_for_nothing_left()
    assert "stopped train-2" in run.output
    assert "is killed" not in run.output


def _alive(client: redis.Redis) -> list[bytes]:
    return client.zrangebyscore(keys.workers("train"), time.time(), "+inf")  # type: ignore[return-value]


def _cards(run: Run) -> list[str]:
    """`CUDA_VISIBLE_DEVICES` of the services' children, in which the trainings run."""
    services = [p for p in run.living() if p.cmdline()[1:5] == ["-m", "worker", "serve", "train"]]
    wait_until(lambda: all(_pool(service) for service in services))
    return [child.environ()["CUDA_VISIBLE_DEVICES"] for service in services for child in _pool(service)[:1]]


def _pool(service: psutil.Process) -> list[psutil.Process]:
    return [child for child in service.children() if "spawn_main" in " ".join(child.cmdline())]


def _enter(app: Celery, client: redis.Redis, number: int) -> str:
    info = corpus(TEXT)
    client.set(keys.corpus(info.sha256), pack(TEXT))
    options = TrainOptions(epochs=2, units=8, random_seed=number)
    job = TrainJob(job_id=f"t-{number}", place=place(), corpus=info, options=options)
    lives.enter(client, job)
    _, attempt, nonce = lives.message(client, job.job_id)
    send(app, job.job_id, job, attempt, nonce)
    return job.job_id


def _events(client: redis.Redis, job_id: str) -> list[object]:
    entries = client.xrange(keys.job_events(job_id))
    return [parse_event(fields[b"event"]) for _, fields in entries]  # type: ignore[union-attr]


def _ended(client: redis.Redis, job_id: str) -> bool:
    return isinstance(_events(client, job_id)[-1], Finished)


def _trained(run: Run, name: str) -> list[str]:
    """The trainings that a part has made, by its log."""
    lines = (run.data / "logs" / f"{name}.log").read_text("utf-8").splitlines()
    told = [json.loads(line) for line in lines if line.startswith("{")]
    return [one["job_id"] for one in told if one["event"] == "trained"]
