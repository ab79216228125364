"""One run of a plan: starts the parts, watches over them, tells the person what happens, and stops all in order."""

from __future__ import annotations

import os
import select
import signal
import time
from types import FrameType

from launcher.parts import Folders, Plan, Stage
from launcher.preflight import Lock
from launcher.service import Service

_TICK_S = 0.1
_TROUBLE_EVERY_S = 1.0
_SLOW_S = 30.0
"""A part that is not ready after this is mentioned."""
_VITAL_TRIES = 3
_ANNOUNCE_PATIENCE_S = 4.0
"""How long the line with the address waits for the workers."""
_STOP_NOTE_S = 1.5


def say(line: str) -> None:
    """Print for the person; after the terminal was closed there is nobody to tell, and stopping goes on."""
    try:
        print(line, flush=True)
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


class _Stop(Exception):
    """Everything is to be stopped, and the run ends with this exit code."""

    def __init__(self, line: str, exit_code: int = 0) -> None:
        super().__init__(line)
        self.exit_code = exit_code


class Run:
    """`with_parent`: stop when our parent is gone."""

    def __init__(self, plan: Plan, folders: Folders, lock: Lock, *, with_parent: bool = False) -> None:
        self._plan = plan
        self._folders = folders
        self._lock = lock
        self._parent = os.getppid() if with_parent else None
        self._terminal: select.poll | None = None
        self._services = [Service(part, folders.log(part.name), plan.environment, lock.fileno()) for part in plan.parts]
        self._signals = 0
        self._hurried = 0  # signals since the stop began
        self._troubles_due = 0.0
        self._useful_at: float | None = None
        self._announced = False

    def run(self) -> int:
        """Return 0 when told to stop, 78 when a part's settings are wrong, 1 when a vital part does not start."""
        self._take_signals()
        say(f"starting {', '.join(part.name for part in self._plan.parts)} (logs in {self._folders.logs})")
        try:
            while True:
                self._look()
                time.sleep(_TICK_S)
        except _Stop as stop:
            say(str(stop))
            exit_code = stop.exit_code
        finally:
            self._stop_parts()
        say("everything is stopped" if exit_code == 0 else "nothing is left running")
        return exit_code

    def _take_signals(self) -> None:
        def count(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the signature of a handler
            self._signals += 1

        signal.signal(signal.SIGINT, count)
        signal.signal(signal.SIGTERM, count)
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup: keep running without a terminal
            signal.signal(signal.SIGHUP, count)
            if os.isatty(0):
                self._terminal = select.poll()
                self._terminal.register(0, 0)

    def _abandoned(self) -> bool:
        """Whether parent or terminal is gone. Only the terminal's first program gets SIGHUP, and make does not tell."""
        return (self._parent is not None and os.getppid() != self._parent) or (
            self._terminal is not None and any(state & select.POLLHUP for _, state in self._terminal.poll(0))
        )

    def _look(self) -> None:
        """Raises _Stop."""
        if self._signals:
            raise _Stop("stopping")
        if self._abandoned():
            raise _Stop("whoever started this is gone: stopping")
        for service in self._services:
            self._watch(service)
        self._announce()
        if time.monotonic() >= self._troubles_due:
            self._troubles_due = time.monotonic() + _TROUBLE_EVERY_S
            for service in self._services:
                service.rotate_log()
                said = service.part.trouble() if service.part.trouble is not None else None
                if said != service.trouble:
                    service.trouble = said
                    say(f"{service.part.name}: {said or 'this is over'}")

    def _watch(self, service: Service) -> None:
        now = time.monotonic()
        if not service.runs:
            if now >= service.start_again_at and self._are_ready(service.part.needs):
                try:
                    service.start()
                except OSError as error:
                    self._crashed(service, error.strerror or str(error))
        elif (how := service.ended()) is not None:
            self._crashed(service, how)
        elif not service.ready:
            name, took = service.part.name, now - service.first_start
            if service.part.ready is None or service.part.ready():
                service.ready = True
                say(f"starting {name} ... ok ({took:.1f} s)")
            elif took > _SLOW_S and service.tells_first("slow"):
                say(f"{name} is still starting; its log: {service.log}")

    def _are_ready(self, names: tuple[str, ...]) -> bool:
        return all(service.ready for service in self._services if service.part.name in names)

    def _crashed(self, service: Service, how: str) -> None:
        """Raises _Stop: it cannot be helped by another start."""
        name = service.part.name
        if how == f"exit status {os.EX_CONFIG}":  # its settings are wrong: no restart can help
            say(service.last_words(1))  # it says there what is wrong
            raise _Stop(f"{name} cannot run with these settings: stopping", os.EX_CONFIG)
        service.failed()
        if service.part.vital and not service.ready and service.crashes >= _VITAL_TRIES:
            say(service.last_words(5))
            raise _Stop(f"{name} does not start ({how}); its log: {service.log}", 1)
        times = f", {service.crashes} times so far" if service.crashes > 1 else ""
        say(f"{name} ended unexpectedly ({how}{times}) and is started again; its log: {service.log}")

    def _announce(self) -> None:
        plan = self._plan
        if self._announced or not self._are_ready(plan.announce_after):
            return
        now = time.monotonic()
        self._useful_at = self._useful_at or now
        if self._are_ready(plan.announce_with) or now - self._useful_at > _ANNOUNCE_PATIENCE_S:
            self._announced = True
            line = plan.announce()
            self._lock.tell(line)
            say(line)
            say("Ctrl-C stops everything.")

    def _stop_parts(self) -> None:
        self._signals = 0
        for stage in sorted(Stage, reverse=True):
            stopping = [service for service in self._services if service.part.stage == stage and service.runs]
            for service in stopping:
                service.terminate()
            begun = time.monotonic()
            while stopping := [service for service in stopping if not self._has_stopped(service)]:
                self._hurry()
                for service in stopping:
                    self._mind(service, time.monotonic() - begun)
                time.sleep(_TICK_S)

    def _has_stopped(self, service: Service) -> bool:
        if service.ended() is None:
            return False
        say(f"stopped {service.part.name}")
        return True

    def _mind(self, service: Service, took: float) -> None:
        """Tell what a part is busy with, and kill it in the end. `took`: seconds since it was asked to stop."""
        part = service.part
        if took > part.stop_wait_s and service.tells_first("overrun"):
            say(f"{part.name} did not stop in time and is killed")
            service.kill()
        elif part.stop_note and took > _STOP_NOTE_S and service.tells_first("stopping"):
            say(f"{part.stop_note} (Ctrl-C again: do not wait)")

    def _hurry(self) -> None:
        """At another signal kill the parts, but let Redis, where everything is, come down in order; then Redis, too."""
        if self._signals > self._hurried:
            self._hurried += 1
            spare_redis = self._hurried == 1
            say("stopping at once" if spare_redis else "killing everything")
            for service in self._services:
                if service.part.stage != Stage.REDIS or not spare_redis:
                    service.kill()
