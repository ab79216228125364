"""An attempt that begins while the disk is full waits for room, and its checkpoint with it."""

from __future__ import annotations

import errno
from typing import Any

import pytest
import redis

from shared.events import Finished, Trouble
from shared.settings import Settings
from tests import lives
from tests.lives import require_failure
from tests.worker.channels import Channel, book_job, interrupt, starts, train
from tests.worker.test_room import full
from worker import attempt, channel_text
from worker.files import JobFiles
from worker.jobs import carry_out

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


def test_what_cannot_wait_says_why_it_failed(client: redis.Redis) -> None:
    job = book_job(client)
    carry_out(job, lives.take(client, "t-1"), full(1, lambda: None))
    require_failure(lives.newest(client, "t-1"), "disk is full")
