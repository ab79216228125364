"""Processes, as a test looks for them, and waiting for what they do."""

import contextlib
import signal
import time
from collections.abc import Callable

import psutil

PATIENCE_S = 60.0


def living(variable: str, value: object) -> list[psutil.Process]:
    """Those with this in their environment."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            if process.status() != psutil.STATUS_ZOMBIE and process.environ().get(variable) == str(value):
                found.append(process)
    return found


def as_from_a_terminal() -> None:
    """For a new process: the tests may run where these are ignored, as under nohup."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def wait_until(what: Callable[[], object], patience_s: float = PATIENCE_S, look_every_s: float = 0.05) -> None:
    """Wait for a condition; fails the test when it does not come."""
    deadline = time.monotonic() + patience_s
    while not what():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(look_every_s)
