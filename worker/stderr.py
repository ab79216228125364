"""Turns what native code and others write past Python's logging into records of the log.

TensorFlow's libraries write to the descriptor itself, and what they write depends on the processor. So the service runs
in a child whose output is a pipe, and the process that was started as the service reads it. That process outlives the
service, so the last words of a crash are in the log, too, and whoever captures its output waits for them.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path
from types import FrameType
from typing import IO, Any

import structlog
from billiard import util
from celery.platforms import set_pdeathsig

from shared.logging import configure_logging, renderer
from shared.settings import get_settings

_FORWARDED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)
_LOOK_EVERY_S = 0.05
_LONGEST_LINE = 2**20
# absl's "I0000 00:00:1795692307.496778   10607 port.cc:153] ..." and TensorFlow's own "2026-11-26 11:00:00.0: I ...".
_NATIVE = re.compile(
    r"(?:\d{4}-\d\d-\d\d [\d:.]+: (?P<own>[IWEF]) |(?P<absl>[IWEF])\d{4} [\d:.]+ +\d+ )(?P<text>\S+:\d+\] .*)"
)
_LEVELS = {"I": logging.DEBUG, "W": logging.WARNING, "E": logging.ERROR, "F": logging.CRITICAL}
_KNOWN = {
    "WARNING: All log messages before absl::InitializeLog() is called are written to STDERR": logging.DEBUG,
    "To enable the following instructions:": logging.DEBUG,  # the rest of an "I"
    "worker: ": logging.INFO,  # Celery, of its stopping
}
"""Levels of lines that name none, by how they begin."""


def run_recorded(queue: str) -> Path:
    """Return in a child process, all output of which becomes records of the log; its parent reads, and does not return.

    Call it while there is one thread. The parent forwards signals and ends as the child does; when the parent is
    killed, so is the child (Linux). Returns a folder for temporary files, which the parent removes after the child's
    end, when no library uses it any more.
    """
    parent, folder = os.getpid(), tempfile.mkdtemp(prefix="galvanic-")
    reading, writing = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    # Until there is somebody to forward them, or to take them.
    signal.pthread_sigmask(signal.SIG_BLOCK, (*_FORWARDED, signal.SIGCHLD))
    child = os.fork()
    if child:
        os.dup2(reading, 0)
        os.execv(sys.executable, [sys.executable, "-m", "worker.stderr", str(child), queue, folder])  # noqa: S606
    os.close(reading)
    os.dup2(writing, 1)
    os.dup2(writing, 2)
    os.close(writing)
    os.setpgid(0, 0)  # a Ctrl-C in the terminal comes once, from the parent
    os.environ["LOG_FORMAT"] = "json"  # by which the parent knows our records
    set_pdeathsig("SIGKILL")  # only Linux can
    if os.getppid() != parent:  # it was gone before the call
        os.kill(os.getpid(), signal.SIGKILL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (*_FORWARDED, signal.SIGCHLD))
    return Path(folder)


def main() -> None:
    """Read what the service writes until its end; then end as it did."""
    child, queue, folder = int(sys.argv[1]), *sys.argv[2:]
    ended: list[int] = []

    def forward(number: int, _frame: FrameType | None) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, number)

    def reap(*_: object) -> None:
        """As process 1 of a container, it is given orphans. The child's end also ends the reading, once the pipe is
        empty: a process that the child started may hold it open."""
        with contextlib.suppress(ChildProcessError):
            while (found := os.waitpid(-1, os.WNOHANG))[0]:
                if found[0] == child:
                    ended.append(os.waitstatus_to_exitcode(found[1]))
                    os.set_blocking(0, False)

    for number in _FORWARDED:
        signal.signal(number, forward)
    signal.signal(signal.SIGCHLD, reap)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (*_FORWARDED, signal.SIGCHLD))
    configure_logging(queue, get_settings())
    _read(sys.stdin.buffer)
    while not ended:  # it has closed its output, and is about to end
        time.sleep(_LOOK_EVERY_S)
    shutil.rmtree(folder, ignore_errors=True)
    code = ended[0]
    if code < 0:
        structlog.get_logger("stderr").error("service_killed", signal=signal.Signals(-code).name)
        with contextlib.suppress(OSError):  # SIGKILL has no other
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code if code >= 0 else 128 - code)  # process 1 is not killed by a signal of its own


def _read(lines: IO[bytes]) -> None:
    out = sys.stderr
    render = renderer(get_settings(), out)
    while line := lines.readline(_LONGEST_LINE):
        # Neither a full disk nor a closed output may end this loop: the service would wait for ever to write.
        with contextlib.suppress(OSError):
            record = _record(line)
            if record is None:
                _tell(line.decode("utf-8", errors="replace").rstrip())
            else:
                print(render(None, "", record), file=out)
                out.flush()


def _record(line: bytes) -> structlog.typing.EventDict | None:
    """The record in a line of the service's own logging."""
    try:
        record = json.loads(line) if line.startswith(b"{") else None
    except ValueError:
        return None
    return record if isinstance(record, dict) and {"event", "level", "service"} <= record.keys() else None


def _tell(line: str) -> None:
    level = next((level for known, level in _KNOWN.items() if line.startswith(known)), logging.WARNING)
    native = _NATIVE.fullmatch(line)
    if native is not None:
        level, line = _LEVELS[native["own"] or native["absl"]], native["text"]
    if line:
        structlog.get_logger("stderr").log(level, line)


def join_pools_log(**_: Any) -> None:
    """Give the lines of Celery's process pool our form; call it in the parent once Celery is set up, and in each child.

    The pool has a logger beside all others, and gives each child a handler of its own before anything of ours runs
    there. Those about each child that comes and goes are dropped. Both are details of billiard 4.2 and Celery 5.7;
    `tests/e2e/test_seeing.py` reads every line of a real worker.
    """
    os.environ.pop("_MP_FORK_LOGLEVEL_", None)
    logger = util.get_logger()
    logger.handlers.clear()
    logger.propagate = True
    logger.setLevel(max(logging.WARNING, logging.getLogger().level))


if __name__ == "__main__":
    main()
