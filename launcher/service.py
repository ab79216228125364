"""One part as it runs: started so that it cannot outlive us, and ended with all that it started."""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import psutil

from launcher.parts import Part

_STEADY_S = 15.0
"""A part that ends sooner counts as failing to start: the next try waits 1, 2, 3 ... seconds."""
_LONGEST_PAUSE_S = 30.0
_LOG_BYTES = 5_000_000
_PR_SET_PDEATHSIG = 1


class Service:
    """`lock`: a file that is kept open until the part, too, has ended."""

    def __init__(self, part: Part, log: Path, environment: Mapping[str, str], lock: int) -> None:
        self.part = part
        self.log = log
        self.ready = False
        self.crashes = 0
        self.first_start = 0.0  # this and all other times by the monotonic clock
        self.start_again_at = 0.0
        self.trouble: str | None = None
        self._told: set[str] = set()
        self._environment = {**os.environ, **environment, **part.environment, "PYTHONUNBUFFERED": "1"}
        self._lock = lock
        self._process: subprocess.Popen[bytes] | None = None
        self._started = 0.0
        self._failures = 0  # in a row, soon after the start

    def tells_first(self, what: str) -> bool:
        first = what not in self._told
        self._told.add(what)
        return first

    @property
    def runs(self) -> bool:
        """Whether it was started, and its end is not known yet."""
        return self._process is not None

    def start(self) -> None:
        """Raises OSError: the program cannot be run, or its log not be written."""
        self._started = time.monotonic()
        self.first_start = self.first_start or self._started
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self.part.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self._environment,
                pass_fds=[self._lock],
                start_new_session=True,  # a Ctrl-C in the terminal is the launcher's to handle
                preexec_fn=_dying_with(os.getpid(), self.part.nice),
            )

    def ended(self) -> str | None:
        """How it ended, if it has since `start`; what it started itself is then killed."""
        if self._process is None or (code := self._process.poll()) is None:
            return None
        self.kill()
        self._process = None
        return f"exit status {code}" if code >= 0 else f"terminated by {signal.Signals(-code).name}"

    def failed(self) -> None:
        """Let it be started again: at once if it ran for a while, else the later the more often it failed."""
        now = time.monotonic()
        self.crashes += 1
        self._failures = self._failures + 1 if now - self._started < _STEADY_S else 0
        self.start_again_at = now + min(self._failures, _LONGEST_PAUSE_S)

    def terminate(self) -> None:
        if self._process is not None:
            self._process.terminate()

    def stop(self) -> None:
        """Ask it to end and wait; kill it when it does not in time."""
        if self._process is not None:
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(self.part.stop_wait_s)
            self.kill()
            self._process.wait()

    def kill(self) -> None:
        """Kill the part and what it started: all that is in its session (setsid(2))."""
        if self._process is not None:
            for process in psutil.process_iter():
                with contextlib.suppress(OSError, psutil.Error):
                    if os.getsid(process.pid) == self._process.pid:
                        process.kill()

    def last_words(self, lines: int) -> str:
        """The end of its log."""
        try:
            with self.log.open("rb") as log:
                log.seek(max(0, log.seek(0, os.SEEK_END) - 8_000))
                told = log.read().decode("utf-8", errors="replace")
        except OSError as error:
            return f"(its log cannot be read: {error.strerror})"
        return "\n".join([line for line in told.splitlines() if line.strip()][-lines:])

    def rotate_log(self) -> None:
        """Keep a long log and two older ones beside, and let the part go on at the beginning of an empty file."""
        with contextlib.suppress(OSError):
            if self.log.stat().st_size > _LOG_BYTES:
                for number in (2, 1):
                    with contextlib.suppress(FileNotFoundError):
                        Path(f"{self.log}.{number}").replace(f"{self.log}.{number + 1}")
                shutil.copyfile(self.log, f"{self.log}.1")
                os.truncate(self.log, 0)


def _dying_with(parent: int, nice: int) -> Callable[[], None]:
    """What a new process does before it becomes the part; Linux alone tells it of its parent's death (prctl(2))."""
    libc = ctypes.CDLL(None) if sys.platform.startswith("linux") else None

    def prepare() -> None:
        if libc is not None:
            libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
            if os.getppid() != parent:  # it died before the line above
                os._exit(1)
        os.nice(nice)

    return prepare
