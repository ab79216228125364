"""How a worker is told to stop, and what ends a training that does not stop in time."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

import redis
import structlog

from worker.events import JobEvents
from worker.files import JobFiles
from worker.repeat import Repeating

STOP_FILE_VARIABLE = "GALVANIC_STOP_FILE"
STOPS_WITHIN_S = 25.0
"""A training saves and stops within a second or two, unless it reads a long text, or Redis is away. Whoever has told
the worker to stop kills it after 30 s (`launcher.system`, docker-compose.yml)."""
_LOOK_EVERY_S = 0.5

log = structlog.get_logger()


def stop_requested() -> bool:
    """By a file, because it works while Redis is away and reaches a spawned child."""
    path = os.environ.get(STOP_FILE_VARIABLE)
    return path is not None and Path(path).exists()


class StopDeadline(Repeating):
    """Ends this process when its training has not stopped in time.

    The training then waits again, and goes on from its last checkpoint.
    """

    def __init__(self, job_events: JobEvents, files: JobFiles) -> None:
        super().__init__(self._look, _LOOK_EVERY_S, "stop_deadline")
        self._job_events = job_events
        self._files = files
        self._asked: float | None = None

    def _look(self) -> None:
        if self._asked is None and stop_requested():
            self._asked = time.monotonic()
            if self._files.folder.exists():  # else it has just ended, and nothing of it may come back
                self._files.note_end()  # whoever kills it from now on does not wait: that is no death of its own
        if self._asked is not None and time.monotonic() - self._asked >= STOPS_WITHIN_S:
            log.warning("stopping_took_too_long", seconds=STOPS_WITHIN_S)
            self._files.note_end()  # where it could not be noted before
            with contextlib.suppress(redis.RedisError):  # its lease lapses
                self._job_events.requeue(once=True)
            os._exit(1)
