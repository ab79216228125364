"""An attempt that begins while the disk is full waits for room, and its checkpoint with it."""

from __future__ import annotations

import errno
from typing import Any

import pytest
import redis

from galvanic.options import TrainOptions
from shared import keys
from shared.events import Cancelled, Finished, Interrupted, Trouble
from shared.jobs import ModelRef
from shared.settings import Settings
from tests import lives
from tests.factories import record
from tests.lives import require_failure
from tests.worker.channels import Channel, book_job, interrupt, starts, train
from tests.worker.small import save_model, stored
from tests.worker.test_room import full
from worker import attempt, channel_text, hooks
from worker.files import JobFiles
from worker.jobs import carry_out
from worker.store import ModelStore

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("looks_for_room_often")]


def troubles(client: redis.Redis) -> list[str | None]:
    return [event.what for event in lives.told_of(Trouble, client, "t-1")]


@pytest.mark.parametrize(
    ("where", "name", "code"),
    [
        (attempt, "unpack_to_file", errno.EDQUOT),
        (channel_text, "write_text", errno.ENOSPC),
        (attempt, "write_text", errno.ENOSPC),
    ],
)
def test_it_waits_and_goes_on_from_its_checkpoint(
    where: Any, name: str, code: int, client: redis.Redis, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    of_a_channel = name == "write_text"
    job = Channel(settings, client, monkeypatch).enter() if of_a_channel else book_job(client)
    interrupt(job, monkeypatch)
    write, tries = getattr(where, name), []

    def counted(*arguments: Any, **options: Any) -> Any:
        tries.append(JobFiles(settings, job.job_id).checkpoint.exists())
        return unlucky(*arguments, **options)

    unlucky = full(2, write, code)
    monkeypatch.setattr(where, name, counted)
    assert isinstance(train(client, job), Finished)
    assert starts(client) == [(False, None), (True, None)]
    assert troubles(client) == ["disk full", None]
    assert tries[:3] == [True, True, True]


def test_it_waits_for_the_copy_of_the_model_to_start_from(
    client: redis.Redis, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_model(stored(settings, "m-0"))
    client.set(keys.model("m-0"), record(model_id="m-0").model_dump_json())
    monkeypatch.setattr(ModelStore, "reading", full(2, ModelStore.reading))
    job = book_job(client, parent=ModelRef(model_id="m-0", name="m-0"), options=TrainOptions(epochs=1))
    assert isinstance(train(client, job), Finished)
    assert troubles(client) == ["disk full", None]


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
        assert files.checkpoint.exists()


def test_what_cannot_wait_says_why_it_failed(client: redis.Redis) -> None:
    job = book_job(client)
    carry_out(job, lives.take(client, "t-1"), full(1, lambda: None))
    require_failure(lives.newest(client, "t-1"), "disk is full")
