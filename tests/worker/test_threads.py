"""A training is leased by the attempt that is made at it, and taken over when its worker was killed."""

import multiprocessing
import re
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
import redis
from celery import signals

from shared import keys, presence
from shared.connect import connect
from shared.jobs import TRAIN_QUEUE, TrainJob
from shared.queues import ids_in_order, lists_of
from shared.settings import Settings
from tests import lives
from tests.factories import train_job
from tests.processes import wait_until
from worker import serve, threads
from worker.events import JobEvents


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "RENEW_S", 0.01)


def begun_without_a_lease(client: redis.Redis, job: TrainJob) -> JobEvents:
    lives.enter(client, job)
    log = lives.take(client, job.job_id)
    client.delete(keys.job_lease(job.job_id))
    return log


def test_a_lease_is_renewed_by_the_attempt_that_has_the_training(client: redis.Redis) -> None:
    job = train_job()
    log = begun_without_a_lease(client, job)
    with threads.Lease(client, JobEvents(client, job.job_id, log.attempt, "another")) as old:
        wait_until(lambda: old.lost)
    assert not client.exists(keys.job_lease(job.job_id))
    with threads.Lease(client, log) as new:
        wait_until(lambda: client.exists(keys.job_lease(job.job_id)))
    assert client.get(keys.job_lease(job.job_id)) == log.holder.encode()
    assert not new.lost


def sleep(_: threads.Lease) -> None:
    time.sleep(60)


def hold_pythons_lock(_: threads.Lease) -> None:
    re.match("(a+)+$", "a" * 40 + "b")


def make_headway(lease: threads.Lease) -> None:
    for _ in range(80):
        lease.touch()
        time.sleep(0.1)


def train(settings: Settings, do: Callable[[threads.Lease], object]) -> None:
    threads.STALLED_AFTER_S, threads.RENEW_S = 2, 0.1
    client = connect(settings)
    with threads.Lease(client, JobEvents(client, "t-1")) as lease:
        wait_until(lambda: lease.lost)  # nobody has entered it, and so the thread has asked once
        do(lease)


@pytest.mark.parametrize(("do", "exit_code"), [(sleep, 1), (hold_pythons_lock, 1), (make_headway, 0)])
def test_a_process_whose_training_hangs_is_ended(
    settings: Settings, do: Callable[[threads.Lease], object], exit_code: int
) -> None:
    process = multiprocessing.get_context("spawn").Process(target=train, args=(settings, do))
    process.start()
    try:
        process.join(30)
        assert process.exitcode == exit_code
    finally:
        process.kill()


def test_a_child_removes_what_tensorflow_left_of_the_training_before(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(threads.STOP_FILE_VARIABLE, str(tmp_path / "stop"))
    for name in ("__autograph_generated_filex1.py", "__pycache__/__autograph_generated_filex1.cpython-313.pyc", "own"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    process = multiprocessing.get_context("spawn").Process(target=serve.start_child)
    process.start()
    try:
        wait_until(lambda: [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["own"])
    finally:
        process.kill()
        process.join()


def test_a_worker_that_starts_has_the_trainings_of_a_killed_one_of_its_host_wait_again(
    client: redis.Redis, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not those of one that is alive, or of another host. Damaged records keep it from none."""
    monkeypatch.setattr(presence, "EXPIRY_S", 0.0)
    here = socket.gethostname()
    workers = {"t-1": f"train-1@{here}:1.a", "t-2": f"train-2@{here}:1.b", "t-3": "train-3@elsewhere:1.c"}
    for job_id, worker in workers.items():
        lives.enter(client, train_job(job_id=job_id))
        lives.take(client, job_id, worker)
    client.zadd(keys.workers(TRAIN_QUEUE), {workers["t-2"].encode(): 4e9, b"\xff": 4e9})
    whole = {"state": "begun", "worker": workers["t-1"], "attempt": "1", "nonce": "nonce", "job": "{}"}
    damages: dict[str, dict[str, Any]] = {"t-a": {"attempt": "x"}, "t-b": {"nonce": b"\xff"}, "t-c": {}}
    for job_id, damage in damages.items():
        client.hset(keys.job(job_id), mapping=whole | damage)
    client.set(keys.job("t-d"), "of another type")
    client.delete(keys.ACTIVE)
    client.hset(keys.ACTIVE, b"\xff", "1")
    for job_id in ("t-a", "t-b", "t-c", "t-d", *workers):
        client.hset(keys.ACTIVE, job_id, "1")
    serve.take_over(settings)
    assert [client.hget(keys.job(job_id), "state") for job_id in workers] == [b"waiting", b"begun", b"begun"]
    waiting = [cast(list[bytes], client.lrange(name, 0, -1)) for name in lists_of(TRAIN_QUEUE)]
    assert ids_in_order(waiting) == ["t-1-2"]


def test_a_worker_says_again_what_it_runs_on_when_redis_has_lost_that(
    client: redis.Redis, settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(serve, "_ANNOUNCE_EVERY_S", 0.01)
    for name in ("celeryd_after_setup", "worker_ready", "task_failure", "worker_shutting_down", "worker_shutdown"):
        monkeypatch.setattr(getattr(signals, name), "receivers", [])
    key = keys.worker_info(TRAIN_QUEUE)
    client.hset(key, "train@gone:1", "a machine")
    serve._connect_signals(settings, TRAIN_QUEUE, "train@here:1", tmp_path / "stop")
    signals.worker_ready.send(None)
    try:
        wait_until(lambda: client.hkeys(key) == [b"train@here:1"])
        client.delete(key)
        wait_until(lambda: client.hexists(key, "train@here:1"))
    finally:
        signals.worker_shutdown.send(None)
