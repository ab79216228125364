"""An attempt that begins while the disk is full waits for room, and its checkpoint with it."""

from __future__ import annotations

import pytest
import redis

from shared.events import Trouble
from tests import lives
from tests.lives import require_failure
from tests.worker.channels import book_job
from tests.worker.test_room import full
from worker.jobs import carry_out

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("looks_for_room_often")]


def troubles(client: redis.Redis) -> list[str | None]:
    return [event.what for event in lives.told_of(Trouble, client, "t-1")]


def test_what_cannot_wait_says_why_it_failed(client: redis.Redis) -> None:
    job = book_job(client)
    carry_out(job, lives.take(client, "t-1"), full(1, lambda: None))
    require_failure(lives.newest(client, "t-1"), "disk is full")
