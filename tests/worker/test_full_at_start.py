"""An attempt that begins while the disk is full waits for room, and its checkpoint with it."""

from __future__ import annotations

import pytest
import redis

from shared import keys
from shared.events import Cancelled, Interrupted
from shared.settings import Settings
from tests import lives
from tests.lives import require_failure
from tests.worker.channels import book_job, interrupt, train
from tests.worker.test_room import full
from worker import attempt, hooks
from worker.checkpoints import JobFiles
from worker.jobs import carry_out

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("looks_for_room_often")]


def test_what_cannot_wait_says_why_it_failed(client: redis.Redis) -> None:
    job = book_job(client)
    carry_out(job, lives.take(client, "t-1"), full(1, lambda: None))
    require_failure(lives.newest(client, "t-1"), "disk is full")


@pytest.mark.parametrize("asked", ["cancel", "stop"])
def test_it_hears_what_it_is_asked_meanwhile(
    asked: str, client: redis.Redis, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = book_job(client)
    interrupt(job, monkeypatch)
    monkeypatch.setattr(attempt, "unpack_to_file", full(10_000, lambda *_: None))
    files = JobFiles(settings, job.job_id)
    if asked == "cancel":
        client.set(keys.job_control(job.job_id), "cancel")
        assert isinstance(train(client, job), Cancelled)
        assert not files.folder.exists()
    else:
        monkeypatch.setattr(hooks, "stop_requested", lambda: True)
        assert isinstance(train(client, job), Interrupted)
        assert files.of(job).checkpoint.exists()
