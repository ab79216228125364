"""What a train worker's child tells its parent, which serves the metrics: small datagrams on a Unix socket.

The child ends with each job, so its own counters would begin anew each time; the parent stays. Nothing waits for the
parent. See docs/decisions/064-metrics.md.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from pydantic import BaseModel

from shared.events import TERMINAL, Progress
from worker.jobs.job_errors import Stopped
from worker.jobs.joblog import JobLog

SOCKET_VARIABLE = "GALVANIC_METRICS_SOCKET"
"""Path of the parent's socket; without it, nothing is told."""
_END_TRIES_S = 1.0
Outcome = Literal["finished", "failed", "cancelled", "interrupted", "superseded"]


class Numbers(BaseModel):
    """One datagram: how a training is. Has numbers alone, no job and no text.

    Attributes:
        pid: the child.
        progress: how far it has come; None: nothing new.
        outcome: how it ended; None: it runs.
        seconds: what it took in this process; with `outcome`.
    """

    pid: int
    progress: Progress | None = None
    outcome: Outcome | None = None
    seconds: float = 0.0


def outcome_of(joblog: JobLog) -> Outcome:
    """How a job ended, as far as this attempt knows; `superseded`: somebody else has it, or had it ended."""
    match joblog.ended.kind if joblog.ended is not None else None:
        case "failed":
            return "failed"
        case "cancelled":
            return "cancelled"
        case kind if kind in TERMINAL:
            return "finished"
        case _:
            return "superseded"


class Teller:
    """The child's end of the socket."""

    def __init__(self) -> None:
        self._socket: socket.socket | None = None

    def progress(self, event: Progress | None) -> None:
        """Tell how far the training has come; what the socket does not take now comes with the next."""
        if SOCKET_VARIABLE in os.environ:
            self._send(Numbers(pid=os.getpid(), progress=event))

    @contextmanager
    def training(self, joblog: JobLog) -> Iterator[None]:
        """Around an attempt at a training: tell that it begins, and how it ended."""
        begun = time.monotonic()
        self.progress(None)
        outcome: Outcome = "superseded"
        try:
            yield
            outcome = outcome_of(joblog)
        except Stopped:
            outcome = "interrupted"
            raise
        finally:
            self._end(Numbers(pid=os.getpid(), outcome=outcome, seconds=time.monotonic() - begun))

    def _end(self, told: Numbers) -> None:
        """The last word is worth a moment's wait."""
        until = time.monotonic() + _END_TRIES_S
        while SOCKET_VARIABLE in os.environ and not self._send(told) and time.monotonic() < until:
            time.sleep(0.02)

    def _send(self, told: Numbers) -> bool:
        try:
            if self._socket is None:
                self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
                self._socket.setblocking(False)
                self._socket.connect(os.environ[SOCKET_VARIABLE])
            self._socket.send(told.model_dump_json(exclude_none=True).encode())
        except OSError:
            if self._socket is not None:
                with contextlib.suppress(OSError):
                    self._socket.close()
            self._socket = None
            return False
        return True


TELLER = Teller()
"""Of this process."""
