"""Run a plan: start the parts, watch over them, tell the person what happens, and stop all in order."""

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import TextIO

from launcher.parts import Folders, Plan, Stage
from launcher.preflight import close_env_file, locked, prepare_folders, sockets_folder, write_note
from launcher.service import ChildProcess
from launcher.system import system_plan
from shared.settings import misspelt, read_settings

_TICK_S = 0.2
_VITAL_TRIES = 3


def run_system() -> int:
    """Run everything until stopped; return the exit code. Raises UserError."""
    settings = read_settings()
    for remark in misspelt():
        say(remark)
    if close_env_file(Path(".env")):
        say("others on this machine could read .env, which may hold secrets: now only you can")
    return run_plan(settings.data_dir, lambda folders, sockets: system_plan(settings, folders, sockets, say))


def run_plan(data: Path, planner: Callable[[Folders, Path], Plan]) -> int:
    """Run until stopped; return the exit code (see `Run.run`). Raises UserError: a person can mend what is in the way.

    `planner`: makes the plan, given the data folder and a folder for sockets.
    """
    folders = prepare_folders(data)
    with locked(folders) as lock, sockets_folder(folders) as sockets:
        return Run(planner(folders, sockets), folders, lock).run()


def say(line: str) -> None:
    """Print for the person. A closed terminal is no error: stopping goes on."""
    try:
        print(line, flush=True)
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


class Run:
    """One run of a plan, within a data folder's lock."""

    def __init__(self, plan: Plan, folders: Folders, lock: TextIO) -> None:
        self._plan = plan
        self._folders = folders
        self._lock = lock
        self._services = [ChildProcess(part, folders.logs, plan.environment, lock.fileno()) for part in plan.parts]
        self._signals = 0
        self._announced = False

    def run(self) -> int:
        """Start the parts, and keep them running until a signal ends the program; then stop them, and return 0.

        Raises SystemExit, after the parts are stopped: 78 if a part's settings are wrong, 1 if a vital one won't start.
        """
        signal.signal(signal.SIGINT, self._count_signal)
        signal.signal(signal.SIGTERM, self._count_signal)
        terminal = False
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup: keep running without a terminal
            signal.signal(signal.SIGHUP, self._count_signal)
            terminal = os.isatty(0)
        say(f"starting {', '.join(part.name for part in self._plan.parts)} (logs in {self._folders.logs})")
        try:
            # `isatty` is false once the terminal is closed. make, if started by it, gets SIGHUP and may not pass it on.
            while not self._signals and not (terminal and not os.isatty(0)):
                for service in self._services:
                    self._watch(service)
                self._announce()
                time.sleep(_TICK_S)
            say("stopping; a running training is saved first (Ctrl-C again: do not wait)")
        finally:
            self._signals = 0
            for stage in sorted(Stage, reverse=True):
                self._stop([service for service in self._services if service.part.stage == stage and service.runs])
            say("everything is stopped")
        return 0

    def _count_signal(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - the signature of a handler
        self._signals += 1

    def _watch(self, service: ChildProcess) -> None:
        """Start a part, start it again if it ended, and tell of what changed. Raises SystemExit."""
        part = service.part
        if not service.runs:
            before = [other for other in self._services if other.part.vital and other.part.stage < part.stage]
            if time.monotonic() >= service.start_again_at and all(other.ready for other in before):
                try:
                    service.start()
                except OSError as error:
                    self._crashed(service, error.strerror or str(error))
        elif (how := service.ended()) is not None:
            self._crashed(service, how)
        elif not service.ready and part.ready():
            service.ready = True
            say(f"starting {part.name} ... ok ({time.monotonic() - service.started:.1f} s)")
        service.rotate_log()
        if (trouble := part.trouble()) != service.trouble:
            service.trouble = trouble
            say(f"{part.name}: {trouble or 'this is over'}")

    def _crashed(self, service: ChildProcess, how: str) -> None:
        """Let a part be started again. Raises SystemExit: another start cannot help."""
        name = service.part.name
        if how == f"exit status {os.EX_CONFIG}":  # the last line of its log says what is wrong with its settings
            say(f"{service.log_end(1)}\n{name} cannot run with these settings: stopping")
            sys.exit(os.EX_CONFIG)
        service.failed()
        if service.part.vital and not service.ready and service.failures >= _VITAL_TRIES:
            say(f"{service.log_end(5)}\n{name} does not start ({how}); its log: {service.log}")
            sys.exit(1)
        say(f"{name} ended unexpectedly ({how}) and is started again; its log: {service.log}")

    def _announce(self) -> None:
        if not self._announced and all(
            service.ready for service in self._services if service.part.stage < Stage.WORKERS
        ):
            self._announced = True
            line = self._plan.announce()
            write_note(self._lock, line)
            say(line)
            say("Ctrl-C stops everything.")

    def _stop(self, services: list[ChildProcess]) -> None:
        """Ask parts to end, and kill those that do not in time. After another signal kill all but Redis at once."""
        for service in services:
            service.terminate()
        deadline = time.monotonic() + max((service.part.stop_wait_s for service in services), default=0)
        while services and time.monotonic() < deadline:
            if self._signals and services[0].part.stage != Stage.REDIS:
                break
            time.sleep(_TICK_S)
            for service in services:
                if service.ended() is not None:
                    say(f"stopped {service.part.name}")
            services = [service for service in services if service.runs]
        for service in services:
            say(f"{service.part.name} is killed")
            service.kill()
