"""A training is leased by the attempt that is made at it, and by no other."""

from __future__ import annotations

import time

import pytest
import redis
from structlog.testing import capture_logs

from shared import keys
from tests import lives
from tests.factories import train_job
from worker import lease
from worker.events import JobEvents


def test_a_lease_is_renewed_by_the_attempt_that_has_the_training(
    client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "RENEW_S", 0.01)
    job = train_job()
    lives.enter(client, job)
    log = lives.take(client, job.job_id)
    client.delete(keys.job_lease(job.job_id))
    with lease.Lease(client, job, JobEvents(client, job.job_id, log.attempt, "another"), 60) as old:
        while not old.lost:
            time.sleep(0.01)
    assert not client.exists(keys.job_lease(job.job_id))
    with lease.Lease(client, job, log, 60) as new:
        while not client.exists(keys.job_lease(job.job_id)):
            time.sleep(0.01)
    assert client.get(keys.job_lease(job.job_id)) == f"1:{log.nonce}".encode()
    assert not new.lost


def test_an_attempt_that_gets_on_after_all_has_its_lease_again(
    client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "RENEW_S", 0.01)
    monkeypatch.setattr(lease, "STALLED_AFTER_S", -1)
    job = train_job()
    lives.enter(client, job)
    log = lives.take(client, job.job_id)
    client.delete(keys.job_lease(job.job_id))
    with capture_logs() as logged, lease.Lease(client, job, log, 60):
        while not logged:
            time.sleep(0.01)
        assert not client.exists(keys.job_lease(job.job_id))
        monkeypatch.setattr(lease, "STALLED_AFTER_S", 600)
        while not client.exists(keys.job_lease(job.job_id)):
            time.sleep(0.01)
    assert [(entry["event"], entry["error"]) for entry in logged] == [("lease_not_renewed", "NoHeadway")]


def test_a_text_is_renewed_while_a_training_holds_it(client: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "RENEW_S", 0.01)
    job = train_job()
    client.set(keys.corpus(job.corpus.sha256), "words", ex=5)
    with lease.Lease(client, job, JobEvents(client, job.job_id), 5_000):
        while client.ttl(keys.corpus(job.corpus.sha256)) <= 5:  # type: ignore[operator]
            time.sleep(0.01)
