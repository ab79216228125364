"""A training is held by the task that runs it, and by no other."""

from __future__ import annotations

import time

import pytest
import redis
from structlog.testing import capture_logs

from shared import keys, turns
from shared.events import Queued
from tests.factories import CHANNEL, train_job
from worker.jobs import lease
from worker.jobs.joblog import run_script


def test_a_hold_is_renewed_by_the_task_that_has_the_training(
    client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "RENEW_S", 0.01)
    job = train_job()
    run_script(client, turns.enter(job, (CHANNEL, 5), (9, 9), Queued().model_dump_json()))
    run_script(client, turns.claim("x"))
    client.delete(keys.job_hold(job.job_id))
    client.zadd(lease.UNACKED_INDEX, {"old": 1.0})
    with lease.Lease(client, "old", job, "before", 60) as old:
        while client.zscore(lease.UNACKED_INDEX, "old") == 1.0:
            time.sleep(0.01)
        # That round is over once the next one has begun.
        client.zadd(lease.UNACKED_INDEX, {"old": 1.0})
        while client.zscore(lease.UNACKED_INDEX, "old") == 1.0:
            time.sleep(0.01)
    assert old.lost
    assert not client.exists(keys.job_hold(job.job_id))
    with lease.Lease(client, "new", job, "x", 60) as new:
        while not client.exists(keys.job_hold(job.job_id)):
            time.sleep(0.01)
    assert client.get(keys.job_hold(job.job_id)) == b"x"
    assert not new.lost


def test_a_task_that_gets_on_after_all_holds_its_training_again(
    client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "RENEW_S", 0.01)
    monkeypatch.setattr(lease, "STALLED_AFTER_S", -1)
    job = train_job()
    run_script(client, turns.enter(job, (CHANNEL, 5), (9, 9), Queued().model_dump_json()))
    run_script(client, turns.claim("x"))
    client.delete(keys.job_hold(job.job_id))
    with capture_logs() as logged, lease.Lease(client, "tag", job, "x", 60) as held:
        while not held._lapsed:
            time.sleep(0.01)
        assert not client.exists(keys.job_hold(job.job_id))
        monkeypatch.setattr(lease, "STALLED_AFTER_S", 600)
        while not client.exists(keys.job_hold(job.job_id)):
            time.sleep(0.01)
    assert [entry["event"] for entry in logged] == ["lease_lapsed"]


def test_a_text_is_renewed_while_a_training_holds_it(client: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "RENEW_S", 0.01)
    job = train_job()
    client.set(keys.corpus(job.corpus.sha256), "words", ex=5)
    with lease.Lease(client, "tag", job, "t-1", 5_000):
        while client.ttl(keys.corpus(job.corpus.sha256)) <= 5:  # type: ignore[operator]
            time.sleep(0.01)
