"""While Redis is away a training goes on: its hooks seldom ask, keep what is to be told, and still hear a stop."""

import time
from pathlib import Path

import pytest
import redis

from galvanic import results
from shared import keys
from shared.connect import connect
from shared.events import Sample
from shared.settings import Settings
from tests import lives
from tests.factories import train_job
from worker import hooks, threads
from worker.checkpoints import CheckpointCopies, TextFiles
from worker.events import JobEvents
from worker.hooks import JobHooks
from worker.store import ModelStore


def test_a_redis_that_hung_is_left_alone_for_a_while(
    client: redis.Redis, settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    job = train_job()
    lives.enter(client, job)
    lives.take(client, job.job_id)
    impatient = connect(settings, socket_timeout=0.1)
    job_events = JobEvents(impatient, job.job_id, attempt=1)
    copies = CheckpointCopies(ModelStore(settings), job, TextFiles(settings, job), 1)
    asked = JobHooks(job_events, threads.Lease(impatient, job_events), copies)
    monkeypatch.setattr(hooks, "POLL_EVERY_S", 0.0)
    monkeypatch.setattr(hooks, "QUIET_S", 600.0)
    client.client_pause(2_000)
    assert asked.control() is None
    client.set(keys.job_control(job.job_id), "cancel")  # it waits until Redis is back
    asked.sample(results.Sample(epoch=1, text="x"))
    assert asked.control() is None
    assert lives.told_of(Sample, client, job.job_id) == []
    stop = tmp_path / "stop"
    monkeypatch.setenv(threads.STOP_FILE_VARIABLE, str(stop))
    stop.touch()
    assert asked.control() == "interrupt"
    stop.unlink()
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + 600)
    assert asked.control() == "cancel"
    assert [sample.text for sample in lives.told_of(Sample, client, job.job_id)] == ["x"]
    client.client_pause(2_000)
    asked.sample(results.Sample(epoch=2, text="y"))
    client.ping()  # until Redis is back
    with pytest.raises(results.TrainingCancelled):
        asked.require_wanted()
    assert [sample.text for sample in lives.told_of(Sample, client, job.job_id)] == ["x", "y"], "the last may not wait"
