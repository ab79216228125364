"""A thread that repeats a step, and two such threads: of a worker's heartbeat, and of a training's lease."""

from __future__ import annotations

import contextlib
import contextvars
import faulthandler
import logging
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Self

import redis
import structlog

from shared import keys, lifecycle, presence
from shared.connect import connect
from shared.settings import Settings
from worker.events import JobEvents, run_script
from worker.store import StoreAway

log = structlog.get_logger()

_ENDS_WITHIN_S = 5.0


class PeriodicThread:
    """Calls `step` at once and every `every_s` seconds; use as a context manager.

    A step may fail and is called again; `trouble` is the name of the log's line, once until a step succeeds. The thread
    logs in the context in which this object was made.
    """

    def __init__(self, step: Callable[[], None], every_s: float, trouble: str) -> None:
        self._step = step
        self._every_s = every_s
        self._trouble = trouble
        self._ended = threading.Event()
        run = contextvars.copy_context().run
        self._thread = threading.Thread(target=run, args=(self._run,), name=trouble, daemon=True)

    def _run(self) -> None:
        works = True
        while not self._ended.is_set():
            try:
                self._step()
                works = True
            except Exception as error:
                if works:
                    away = isinstance(error, redis.RedisError | StoreAway)
                    log.log(logging.WARNING if away else logging.ERROR, self._trouble, error=type(error).__name__)
                works = False
            self._ended.wait(self._every_s)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join(_ENDS_WITHIN_S)


class Heartbeat(PeriodicThread):
    """Says every two seconds that a worker is alive. At the end the worker counts as gone at once."""

    def __init__(self, settings: Settings, service: str, name: str) -> None:
        super().__init__(self._beat, presence.BEAT_S, "redis_unreachable")
        self._client = connect(settings)
        self._service = service
        self._member = name

    def _beat(self) -> None:
        with self._client.pipeline() as pipe:
            presence.add_beat(pipe, self._service, self._member)
            pipe.execute()

    def __exit__(self, *_: object) -> None:
        super().__exit__()
        with contextlib.suppress(redis.RedisError):
            self._client.zrem(keys.workers(self._service), self._member)


RENEW_S = 10.0
STALLED_AFTER_S = 20 * 60
"""Seconds without headway after which a training counts as hung: longer than `JobEvents` waits for Redis. Before the
first step it makes none: the text is read, TensorFlow imported, and the network compiled."""
_STDERR = 2


class Lease(PeriodicThread):
    """Renews the lease every ten seconds; call `touch` at each sign of headway.

    A process whose training stalls, or that stood still for so long, is ended, and writes to standard error where it
    hung: its worker has the next attempt made, as after any death. `lost`: another attempt has the training, or will:
    this one was not heard of for too long, because its machine stood still or Redis was away. It must stop.
    """

    def __init__(self, client: redis.Redis, job_events: JobEvents) -> None:
        super().__init__(self._renew, RENEW_S, "lease_not_renewed")
        self._client = client
        self._script = lifecycle.renew(job_events.job_id, job_events.holder)
        self._headway = True
        self.lost = False

    def touch(self) -> None:
        self._headway = True

    def _renew(self) -> None:
        if self._headway:
            self._headway = False
            # It needs no lock of Python's, which the code that hangs may hold.
            faulthandler.dump_traceback_later(STALLED_AFTER_S, exit=True, file=_STDERR)
        self.lost = not run_script(self._client, self._script)

    def __exit__(self, *error: object) -> None:
        super().__exit__(*error)
        faulthandler.cancel_dump_traceback_later()


STOP_FILE_VARIABLE = "GALVANIC_STOP_FILE"


def stop_requested() -> bool:
    """Return whether this worker is told to stop: by a file, which works without Redis and reaches a spawned child."""
    path = os.environ.get(STOP_FILE_VARIABLE)
    return path is not None and Path(path).exists()
