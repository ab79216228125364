"""Watches over one run: starts the parts, tells the person what happens, and stops everything in order."""

from __future__ import annotations

import os
import select
import signal
import time
from collections import Counter
from collections.abc import Callable
from types import FrameType

from launcher.config import EX_CONFIG
from launcher.parts import Folders, Part, Plan, Stage
from launcher.preflight import Lock
from launcher.supervisord import Ended, Event, Overran, Spawned, Supervisord

_TICK_S = 0.1
_TROUBLE_EVERY_S = 1.0
_SLOW_S = 30.0
"""A part that is not ready after this is mentioned."""
_VITAL_TRIES = 3
_ANNOUNCE_PATIENCE_S = 4.0
"""How long the line with the address waits for the workers."""
_NOTICE_EVERY_S = 15.0
_STOP_NOTE_S = 1.5
_HURRY_S = 5.0
_ORPHAN_PATIENCE_S = 30.0

Say = Callable[[str], None]


def say(line: str) -> None:
    """Print for the person; after the terminal was closed there is nobody to tell, and stopping goes on."""
    try:
        print(line, flush=True)
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


class Monitor:
    """One run of a plan. `with_parent`: stop when our parent is gone."""

    def __init__(
        self,
        plan: Plan,
        folders: Folders,
        supervisord: Supervisord,
        lock: Lock,
        *,
        with_parent: bool = False,
        say: Say = say,
    ) -> None:
        self._plan = plan
        self._folders = folders
        self._supervisord = supervisord
        self._lock = lock
        self._parent = os.getppid() if with_parent else None
        self._say = say
        self._terminal: select.poll | None = None

        self._parts = {part.name: part for part in plan.parts}
        self._pids: dict[str, int] = {}
        self._started: dict[str, float] = {}
        self._ready: set[str] = set()
        self._slow: set[str] = set()
        self._crashes: Counter[str] = Counter()
        self._noticed: dict[str, float] = {}
        self._troubles: dict[str, str | None] = {}
        self._troubles_asked_at = 0.0
        self._useful_at: float | None = None
        self._announced = False
        self._signals = 0
        self._signals_seen = 0
        self._stopping_at: float | None = None
        self._stop_noted: set[str] = set()
        self._exit_code = 0

    def run(self) -> int:
        """Return 0 when told to stop, 78 when a part's settings are wrong, 1 when it went wrong. Raises StartError."""
        self._take_signals()
        self._supervisord.start(self._lock.fileno())
        try:
            names = ", ".join(self._parts)
            self._say(f"starting {names} (logs in {self._folders.logs})")
            while self._supervisord.alive:
                self._tick()
                time.sleep(_TICK_S)
            self._handle_events()
        finally:
            self._clean_up()
        return self._exit_code

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
        if self._parent is not None and os.getppid() != self._parent:
            return True
        return self._terminal is not None and any(state & select.POLLHUP for _, state in self._terminal.poll(0))

    def _tick(self) -> None:
        self._handle_events()
        if self._signals > self._signals_seen:
            self._signals_seen += 1
            if self._stopping_at is None:
                self._stop("stopping")
            else:
                self._hurry()
        if self._stopping_at is not None:
            self._note_slow_stops()
        elif self._abandoned():
            self._stop("whoever started this is gone: stopping")
        else:
            self._start_parts()
            self._announce()
            self._tell_troubles()

    # Starting

    def _start_parts(self) -> None:
        now = time.monotonic()
        for part in self._plan.parts:
            if part.name in self._ready:
                continue
            if part.name not in self._started:
                if self._ready.issuperset(part.needs) and self._supervisord.start_part(part.name):
                    self._started[part.name] = now
            elif part.ready is None or part.ready():
                self._ready.add(part.name)
                self._say(f"starting {part.name} ... ok ({now - self._started[part.name]:.1f} s)")
            elif now - self._started[part.name] > _SLOW_S and part.name not in self._slow:
                self._slow.add(part.name)
                self._say(f"{part.name} is still starting; its log: {self._folders.log(part.name)}")

    def _announce(self) -> None:
        plan = self._plan
        if self._announced or plan.announce is None or not self._ready.issuperset(plan.announce_after):
            return
        now = time.monotonic()
        self._useful_at = self._useful_at or now
        if self._ready.issuperset(plan.announce_with) or now - self._useful_at > _ANNOUNCE_PATIENCE_S:
            self._announced = True
            line = plan.announce()
            self._lock.tell(line)
            self._say(line)
            self._say("Ctrl-C stops everything.")

    # Watching

    def _tell_troubles(self) -> None:
        now = time.monotonic()
        if now - self._troubles_asked_at < _TROUBLE_EVERY_S:
            return
        self._troubles_asked_at = now
        for part in self._plan.parts:
            said = part.trouble() if part.trouble is not None else None
            if said != self._troubles.get(part.name):
                self._troubles[part.name] = said
                self._say(f"{part.name}: {said or 'this is over'}")

    def _handle_events(self) -> None:
        for event in self._supervisord.events():
            self._handle(event)

    def _handle(self, event: Event) -> None:
        match event:
            case Spawned(name, pid):
                self._pids[name] = pid
            case Overran(name):
                self._say(f"{name} did not stop in time and is killed")
            case Ended(name) if self._stopping_at is not None:
                self._pids.pop(name, None)
                self._say(f"stopped {name}")
            case Ended(name, asked=True):
                self._pids.pop(name, None)
                self._say(f"{name} was stopped by supervisorctl")
            case Ended(name, _, code) if code == EX_CONFIG:
                self._exit_code = EX_CONFIG
                self._say(self._last_words(name, 1))  # it says there what is wrong
                self._stop(f"{name} cannot run with these settings: stopping")
            case Ended(name, reason):
                self._pids.pop(name, None)
                self._notice_crash(self._parts[name], reason)

    def _notice_crash(self, part: Part, reason: str) -> None:
        self._crashes[part.name] += 1
        times = self._crashes[part.name]
        if part.vital and part.name not in self._ready and times >= _VITAL_TRIES:
            self._exit_code = 1
            self._say(self._last_words(part.name, 5))
            self._stop(f"{part.name} does not start ({reason}); its log: {self._folders.log(part.name)}")
            return
        now = time.monotonic()
        last = self._noticed.get(part.name)
        if last is None or now - last > _NOTICE_EVERY_S:
            self._noticed[part.name] = now
            again = f", {times} times so far" if times > 1 else ""
            self._say(
                f"{part.name} ended unexpectedly ({reason}{again}) and is started again; "
                f"its log: {self._folders.log(part.name)}"
            )

    def _last_words(self, name: str, lines: int) -> str:
        return "\n".join([line for line in _tail(self._folders, name).splitlines() if line.strip()][-lines:])

    # Stopping

    def _stop(self, line: str) -> None:
        if self._stopping_at is None:
            self._stopping_at = time.monotonic()
            self._say(line)
            self._supervisord.stop()

    def _note_slow_stops(self) -> None:
        assert self._stopping_at is not None
        if time.monotonic() - self._stopping_at < _STOP_NOTE_S:
            return
        for part in self._plan.parts:
            if part.stop_note and part.name in self._pids and part.name not in self._stop_noted:
                self._stop_noted.add(part.name)
                self._say(f"{part.stop_note} (Ctrl-C again: do not wait)")

    def _hurry(self) -> None:
        """Kill the parts, but let supervisord bring Redis, where everything is, down in order."""
        if self._signals_seen > 2:
            self._say("killing everything")
            self._supervisord.kill()
            return
        self._say("stopping at once")
        redis = [
            self._pids[part.name] for part in self._plan.parts if part.stage == Stage.REDIS and part.name in self._pids
        ]
        self._supervisord.kill(spare=frozenset([self._supervisord.pid, *redis]))

    def _clean_up(self) -> None:
        if self._stopping_at is None:
            self._exit_code = 1
            self._say("the process manager ended unexpectedly: stopping what it left")
        patience = _HURRY_S if self._stopping_at is not None else _ORPHAN_PATIENCE_S
        self._supervisord.sweep(patience)
        self._say("everything is stopped" if self._exit_code == 0 else "nothing is left running")


def _tail(folders: Folders, name: str, size: int = 8_000) -> str:
    try:
        with folders.log(name).open("rb") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - size))
            return log.read().decode("utf-8", errors="replace")
    except OSError as error:
        return f"(its log cannot be read: {error.strerror})"
