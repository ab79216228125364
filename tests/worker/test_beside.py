"""A training is leased by the attempt that is made at it; one that does not hear that it is to stop is ended."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
import redis

from shared import keys
from shared.jobs import TrainJob
from shared.settings import Settings
from tests import lives
from tests.factories import train_job
from tests.launcher.running import wait_until
from worker import beside
from worker.events import JobEvents
from worker.files import JobFiles


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beside, "RENEW_S", 0.01)


def begun_without_a_lease(client: redis.Redis, job: TrainJob) -> JobEvents:
    lives.enter(client, job)
    log = lives.take(client, job.job_id)
    client.delete(keys.job_lease(job.job_id))
    return log


def test_a_lease_is_renewed_by_the_attempt_that_has_the_training(client: redis.Redis) -> None:
    job = train_job()
    log = begun_without_a_lease(client, job)
    with beside.Lease(client, job, JobEvents(client, job.job_id, log.attempt, "another")) as old:
        wait_until(lambda: old.lost)
    assert not client.exists(keys.job_lease(job.job_id))
    with beside.Lease(client, job, log) as new:
        wait_until(lambda: client.exists(keys.job_lease(job.job_id)))
    assert client.get(keys.job_lease(job.job_id)) == log.holder.encode()
    assert not new.lost


def test_a_training_that_does_not_stop_in_time_waits_again_and_its_process_ends(
    client: redis.Redis, settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ended, job = threading.Event(), train_job()
    monkeypatch.setattr(os, "_exit", lambda _: ended.set())
    monkeypatch.setattr(beside, "STOPS_WITHIN_S", 0.1)
    monkeypatch.setattr(beside, "_LOOK_EVERY_S", 0.01)
    monkeypatch.setenv(beside.STOP_FILE_VARIABLE, str(tmp_path / "stop"))
    lives.enter(client, job)
    log, files = lives.take(client, job.job_id), JobFiles(settings, job.job_id)
    with beside.StopDeadline(job, log, files):
        assert not ended.wait(0.2)
        (tmp_path / "stop").touch()
        assert ended.wait(10)
    assert files.take_end(), "it did not die"
    assert client.hget(keys.job(job.job_id), "state") == b"waiting"
    assert lives.newest(client, job.job_id).kind == "interrupted"
