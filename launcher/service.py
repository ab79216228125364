"""Start one part so that it cannot outlive us, and end it with all that it started."""

import contextlib
import ctypes
import functools
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import psutil

from launcher.parts import Part

_STEADY_S = 15.0
"""A part that ends sooner counts as failing to start: the next try waits 1, 2, 3 ... seconds."""
_LONGEST_PAUSE_S = 30.0
_LOG_BYTES = 5_000_000
_LIBC = ctypes.CDLL(None) if sys.platform.startswith("linux") else None  # macOS kills no process with its parent
_PR_SET_PDEATHSIG = 1


class ChildProcess:
    """A part as it runs. It keeps the file `lock` open until it ends."""

    def __init__(self, part: Part, logs: Path, environment: Mapping[str, str], lock: int) -> None:
        self.part = part
        self.log = logs / f"{part.name}.log"
        self.ready = False
        self.failures = 0  # in a row, before it was ready or soon after the start
        self.started = 0.0  # this and all other times by the monotonic clock
        self.start_again_at = 0.0
        self.trouble: str | None = None
        self._environment = {**os.environ, **environment, **part.environment, "PYTHONUNBUFFERED": "1"}
        self._lock = lock
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def runs(self) -> bool:
        """Return whether it was started, and its end is not known yet."""
        return self._process is not None

    def start(self) -> None:
        """Start the part. Raises OSError: the program cannot be run, or its log not be written."""
        self.started = time.monotonic()
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self.part.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self._environment,
                pass_fds=[self._lock],
                start_new_session=True,  # a Ctrl-C in the terminal is the launcher's to handle
                preexec_fn=functools.partial(_prepare, os.getpid(), self.part.nice),
            )

    def ended(self) -> str | None:
        """Return how it ended, if it has since `start`. What it started itself is then killed."""
        if self._process is None or (code := self._process.poll()) is None:
            return None
        self.kill()
        return f"exit status {code}" if code >= 0 else f"terminated by {signal.Signals(-code).name}"

    def failed(self) -> None:
        """Let it be started again: at once if it ran for a while, else the later the more often it failed."""
        now = time.monotonic()
        steady = self.ready and now - self.started >= _STEADY_S
        self.failures = 0 if steady else self.failures + 1
        self.start_again_at = now + min(self.failures, _LONGEST_PAUSE_S)

    def terminate(self) -> None:
        if self._process is not None:
            self._process.terminate()

    def kill(self) -> None:
        """Kill the part and what it started, which is in its session."""
        if self._process is not None:
            for process in psutil.process_iter():
                with contextlib.suppress(OSError, psutil.Error):
                    if os.getsid(process.pid) == self._process.pid:
                        process.kill()
            self._process.wait()
            self._process = None

    def log_end(self, lines: int) -> str:
        """Return the last lines of its log."""
        try:
            log = self.log.read_text("utf-8", errors="replace")
            return "\n".join([line for line in log.splitlines() if line.strip()][-lines:])
        except OSError as error:
            return f"(its log cannot be read: {error.strerror})"

    def rotate_log(self) -> None:
        """Keep a long log beside, and let the part go on at the beginning of an empty file."""
        with contextlib.suppress(OSError):
            if self.log.stat().st_size > _LOG_BYTES:
                shutil.copyfile(self.log, f"{self.log}.1")
                os.truncate(self.log, 0)


def _prepare(parent: int, nice: int) -> None:
    """Prepare a new process before it becomes the part: Linux is to kill it when its parent dies (prctl(2))."""
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:  # it died before the line above
            os._exit(1)
    os.nice(nice)
