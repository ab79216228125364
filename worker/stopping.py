"""How a worker is told to stop, and what ends a training that does not stop in time."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import redis
import structlog

from worker.events import JobEvents
from worker.files import JobFiles

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


class StopDeadline(threading.Thread):
    """Ends this process when its training has not stopped in time; use as a context manager around it.

    The training then waits again, and goes on from its last checkpoint.
    """

    def __init__(self, job_events: JobEvents, files: JobFiles) -> None:
        super().__init__(name="stop-deadline", daemon=True)
        self._job_events = job_events
        self._files = files
        self._context = structlog.contextvars.get_contextvars()
        self._done = threading.Event()

    def run(self) -> None:
        structlog.contextvars.bind_contextvars(**self._context)  # a new thread knows nothing of the job
        asked: float | None = None
        while not self._done.wait(_LOOK_EVERY_S):
            if asked is None and stop_requested():
                asked = time.monotonic()
                if self._files.folder.exists():  # else it has just ended, and nothing of it may come back
                    self._files.note_end()  # whoever kills it from now on does not wait: that is no death of its own
            if asked is not None and time.monotonic() - asked >= STOPS_WITHIN_S:
                log.warning("stopping_took_too_long", seconds=STOPS_WITHIN_S)
                self._hand_over()
                os._exit(1)

    def _hand_over(self) -> None:
        self._files.note_end()  # where it could not be noted before
        try:
            self._job_events.requeue(once=True)
        except redis.RedisError as error:
            log.warning("not_handed_over", error=type(error).__name__)  # its lease lapses

    def __enter__(self) -> StopDeadline:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self.join()
