"""A training is leased by the attempt that is made at it."""

from __future__ import annotations

import pytest
import redis

from shared import keys
from shared.jobs import TrainJob
from tests import lives
from tests.factories import train_job
from tests.launcher.running import wait_until
from worker import threads
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
    with threads.Lease(client, job, JobEvents(client, job.job_id, log.attempt, "another")) as old:
        wait_until(lambda: old.lost)
    assert not client.exists(keys.job_lease(job.job_id))
    with threads.Lease(client, job, log) as new:
        wait_until(lambda: client.exists(keys.job_lease(job.job_id)))
    assert client.get(keys.job_lease(job.job_id)) == log.holder.encode()
    assert not new.lost
