"""The process manager: supervisord in its own session, told what to do by XML-RPC and followed through its log.

The log, because only there does supervisord say with which exit code a program ended while it was starting.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
import xmlrpc.client
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil
from supervisor.xmlrpc import Faults, SupervisorTransport

from launcher.config import guarded, supervisor_config
from launcher.guard import PARENT_VARIABLE
from launcher.parts import Folders, Plan

_START_S = 15
_LINE = re.compile(
    r"^\S+ \S+ \w+ (?:"
    r"spawned: '(?P<spawned>[\w-]+)' with pid (?P<pid>\d+)"
    r"|(?P<how>exited|stopped): (?P<name>[\w-]+) \((?P<end>.+?)(?:; (?:not )?expected)?\)"
    r"|killing '(?P<killed>[\w-]+)' \(\d+\) with SIGKILL"
    r")$"
)


@dataclass(frozen=True)
class Spawned:
    name: str
    pid: int


@dataclass(frozen=True)
class Ended:
    """`code`: the exit code, None after a signal. `asked`: it was told to end."""

    name: str
    reason: str
    code: int | None
    asked: bool


@dataclass(frozen=True)
class Overran:
    """A part did not stop in time and is killed."""

    name: str


Event = Spawned | Ended | Overran


def parse_line(line: str) -> Event | None:
    """Parse a line of supervisord's log (4.3); None: nothing that matters here."""
    match = _LINE.match(line)
    if match is None:
        return None
    if match["spawned"]:
        return Spawned(match["spawned"], int(match["pid"]))
    if match["killed"]:
        return Overran(match["killed"])
    status = re.fullmatch(r"exit status (\d+)", match["end"])
    return Ended(match["name"], match["end"], int(status[1]) if status else None, match["how"] == "stopped")


class StartError(Exception):
    """supervisord itself did not come up."""


class Supervisord:
    def __init__(self, plan: Plan, folders: Folders, sockets: Path) -> None:
        self._folders = folders
        self._environment = plan.environment
        self._called = {part.name: f"{part.group}:{part.name}" if part.group else part.name for part in plan.parts}
        self._socket = sockets / "supervisord.sock"
        self._config = folders.run / "supervisord.conf"
        self._log = folders.log("supervisord")
        self._log_position = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._config.write_text(supervisor_config(plan.parts, self._socket, Path.cwd()), encoding="utf-8")

    def start(self, lock_fd: int) -> None:
        """Start it and wait until it answers; no part runs yet. Call it from the main thread, with whose end it ends.

        `lock_fd`: a file to keep open as long as it runs. Raises StartError: it ended or did not answer.
        """
        self._log.unlink(missing_ok=True)
        environment: Mapping[str, str] = {
            **os.environ,
            **self._environment,
            "PYTHONUNBUFFERED": "1",  # a part's last words reach its log
            PARENT_VARIABLE: str(os.getpid()),
        }
        command = [sys.executable, "-m", "supervisor.supervisord", "-n", "-c", self._config.name]
        # When the launcher is killed, SIGTERM lets supervisord stop the parts in order.
        self._process = subprocess.Popen(
            guarded(command, "SIGTERM", self._config.parent),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,  # it is silent
            stderr=subprocess.PIPE,
            env=environment,
            pass_fds=[lock_fd],
            start_new_session=True,  # a Ctrl-C in the terminal is the launcher's to handle
        )
        errors = threading.Thread(target=self._keep_errors, args=(self._process,), name="errors", daemon=True)
        errors.start()
        deadline = time.monotonic() + _START_S
        while True:
            try:
                self._rpc().supervisor.getState()
                return
            except OSError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    self.sweep(0)
                    errors.join(1)
                    raise StartError(self._log.read_text("utf-8", errors="replace").strip()[-2000:]) from None
            time.sleep(0.05)

    def _keep_errors(self, process: subprocess.Popen[bytes]) -> None:
        """Write its stderr into its log: on a full disk it complains there, and would end if it could not."""
        assert process.stderr is not None
        with process.stderr:
            for line in process.stderr:
                with contextlib.suppress(OSError), self._log.open("ab") as log:
                    log.write(line)

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start_part(self, name: str) -> bool:
        """Have a part started, and restarted whenever it ends. False: supervisord could not be reached."""
        try:
            self._rpc().supervisor.startProcess(self._called[name], False)
        except OSError:
            return False
        except xmlrpc.client.Fault as fault:
            # It crashed at once, and supervisord is already at trying again.
            if fault.faultCode not in (Faults.SPAWN_ERROR, Faults.ALREADY_STARTED):
                raise
        return True

    def _rpc(self) -> xmlrpc.client.ServerProxy:
        transport = SupervisorTransport(None, None, f"unix://{self._socket}")
        return xmlrpc.client.ServerProxy("http://127.0.0.1", transport=transport)

    def events(self) -> Iterator[Event]:
        """Yield what happened since the last call."""
        with self._log.open("rb") as log:
            log.seek(self._log_position)
            news = log.read()
        complete = news[: news.rfind(b"\n") + 1]
        self._log_position += len(complete)
        for line in complete.decode("utf-8", errors="replace").splitlines():
            event = parse_line(line)
            if event is not None:
                yield event

    def stop(self) -> None:
        """Ask for an ordered stop of all parts and then of supervisord."""
        if self._process is not None:
            self._process.terminate()

    def members(self) -> list[psutil.Process]:
        """Living processes of the session: supervisord, the parts and what they started."""
        return [] if self._process is None else session_members(self._process.pid)

    def kill(self, spare: frozenset[int] = frozenset()) -> None:
        """Kill all of the session, save the processes with the ids in `spare`."""
        _signal([member for member in self.members() if member.pid not in spare], signal.SIGKILL)

    @property
    def pid(self) -> int:
        """Its process id, which is also that of the session."""
        return 0 if self._process is None else self._process.pid

    def sweep(self, patience_s: float) -> int:
        """End all of the session, by force after `patience_s` seconds; return how many processes were left."""
        if self.alive and self._process is not None:
            self._process.kill()
        if self._process is not None:
            self._process.wait()
        left = self.members()
        _signal(left, signal.SIGTERM)
        psutil.wait_procs(left, timeout=patience_s)
        while stubborn := self.members():
            _signal(stubborn, signal.SIGKILL)
            psutil.wait_procs(stubborn, timeout=1)
        return len(left)


def session_members(session: int) -> list[psutil.Process]:
    """The living processes of a session (setsid(2)), zombies not counted."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(ProcessLookupError, PermissionError, psutil.NoSuchProcess):
            if os.getsid(process.pid) == session and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def _signal(processes: list[psutil.Process], number: signal.Signals) -> None:
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(number)
