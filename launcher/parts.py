"""What a part of the system is, to the launcher: a program with a name, an order and a sign that it is ready."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path


class Stage(IntEnum):
    """The order of stopping, one part after the other: the highest goes first, Redis last of all."""

    REDIS = 10
    PLAYGROUND = 20
    BOT = 30
    GENERATE = 40
    TRAIN = 50


@dataclass(frozen=True)
class Part:
    """One program that runs as long as the whole does.

    Attributes:
        name: for people, and of its log file; letters, digits and hyphens.
        command: program and arguments.
        stage: when it is stopped.
        needs: names of the parts that must be ready before it is started.
        ready: says whether it answers; None: as soon as it was started.
        trouble: says, again and again, what keeps it from its work, None when nothing does; for people.
        vital: nothing works without it, so a start in which it keeps crashing is given up.
        group: parts of the same group, and stage, are stopped at once, and not one after the other; empty: none.
        stop_wait_s: seconds between the friendly signal and the kill.
        stop_note: what it may be busy with when asked to stop, for people.
        nice: added to its niceness.
        environment: what it alone sees besides the plan's environment.
        death_signal: sent by the kernel if the process manager is killed (Linux).
    """

    name: str
    command: tuple[str, ...]
    stage: Stage
    needs: tuple[str, ...] = ()
    ready: Callable[[], bool] | None = None
    trouble: Callable[[], str | None] | None = None
    vital: bool = False
    group: str = ""
    stop_wait_s: int = 10
    stop_note: str = ""
    nice: int = 0
    environment: Mapping[str, str] = field(default_factory=dict)
    death_signal: str = "SIGKILL"


@dataclass(frozen=True)
class Plan:
    """All that one run needs.

    Attributes:
        parts: the programs.
        environment: what they see besides the launcher's own environment.
        announce: the line that says how to reach the system, once `announce_after` are ready.
        announce_after: names of the parts without which it is not of use.
        announce_with: names of parts that the line waits for, but only some seconds.
    """

    parts: tuple[Part, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    announce: Callable[[], str] | None = None
    announce_after: tuple[str, ...] = ()
    announce_with: tuple[str, ...] = ()


@dataclass(frozen=True)
class Folders:
    """The data folder, as the launcher uses it."""

    data: Path

    @property
    def run(self) -> Path:
        """Sockets, lock and generated configuration; for the owner alone."""
        return self.data / "run"

    @property
    def logs(self) -> Path:
        """One log a part."""
        return self.data / "logs"

    @property
    def redis(self) -> Path:
        """What Redis keeps."""
        return self.data / "redis"

    def log(self, part: str) -> Path:
        """Where `part` writes."""
        return self.logs / f"{part}.log"
