"""A training that does not hear that it is to stop is ended, and waits again as if it had."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import redis

from shared import keys
from shared.connect import connect
from shared.events import Interrupted, Queued, Started, parse_event
from shared.settings import Settings
from tests import lives
from tests.factories import train_job
from worker.events import JobEvents
from worker.files import JobFiles
from worker.stopping import STOP_FILE_VARIABLE

DEAF = """
import sys, time
from shared.connect import connect
from shared.events import Started
from shared.settings import get_settings
from worker import stopping
from worker.files import JobFiles
from worker.events import JobEvents

within_s, job_id, attempt, nonce = sys.argv[1:]
stopping.STOPS_WITHIN_S, stopping._LOOK_EVERY_S = float(within_s), 0.05
client = connect(get_settings())
log = JobEvents(client, job_id)
assert log.begin(int(attempt), nonce, worker="deaf", training=True)
log.publish(Started(worker="deaf"))
with stopping.StopDeadline(log, JobFiles(get_settings(), job_id)):
    print("began", flush=True)
    time.sleep(60)
"""


@contextmanager
def deaf(client: redis.Redis, job_id: str, stop: Path, *, stops_within_s: float) -> Iterator[subprocess.Popen[str]]:
    """A program whose training has begun, and that hears nothing; the file tells it to stop."""
    process = subprocess.Popen(
        [sys.executable, "-c", DEAF, str(stops_within_s), *map(str, lives.message(client, job_id))],
        env={**os.environ, STOP_FILE_VARIABLE: str(stop), "PYTHONPATH": str(Path(__file__).parents[2])},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    with process, process.stdout:
        assert process.stdout.readline() == "began\n"
        yield process


def test_it_is_handed_over(settings: Settings, client: redis.Redis, tmp_path: Path) -> None:
    job, stop = train_job(), tmp_path / "stop"
    lives.enter(client, job)
    with deaf(client, job.job_id, stop, stops_within_s=0.2) as process:
        stop.touch()
        assert process.wait(30) == 1
    assert kinds(client, job.job_id) == [Queued, Started, Interrupted]
    assert client.hget(keys.job(job.job_id), "state") == b"waiting"
    assert JobFiles(settings, job.job_id).take_end(), "it did not die"


def kinds(client: redis.Redis, job_id: str) -> list[type]:
    entries = cast(list[tuple[bytes, dict[bytes, bytes]]], client.xrange(keys.job_events(job_id)))
    return [type(parse_event(fields[b"event"])) for _, fields in entries]


def test_an_end_in_order_is_no_death_though_redis_could_not_be_told(settings: Settings) -> None:
    files = JobFiles(settings, "t-1")
    assert not files.take_end()
    files.note_end()
    assert files.take_end()
    assert not files.take_end()


def test_what_came_after_the_end_does_not_open_a_job_again(settings: Settings) -> None:
    from shared.events import Cancelled

    log = lives.take(connect(settings), "t-1")
    log.publish(Cancelled())
    log.tell_once(Interrupted())
    assert JobEvents(connect(settings), "t-1").is_over()
