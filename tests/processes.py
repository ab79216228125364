"""Processes, as a test looks for them."""

import contextlib
import signal

import psutil


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
