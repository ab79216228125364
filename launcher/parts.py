"""What the launcher knows of a part: a program with a name, an order and a sign that it is ready."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path


class Stage(IntEnum):
    """The order of stopping: the highest goes first, Redis last of all; parts of one stage stop at the same time."""

    REDIS = 10
    PLAYGROUND = 20
    BOT = 30
    GENERATE = 40
    TRAIN = 50


@dataclass(frozen=True)
class Part:
    name: str  # for people, and of its log file; letters, digits and hyphens
    command: tuple[str, ...]
    stage: Stage
    needs: tuple[str, ...] = ()  # parts that must be ready before it is started
    ready: Callable[[], bool] | None = None  # None: as soon as it was started
    trouble: Callable[[], str | None] | None = None  # asked again and again: what keeps it from its work, for people
    vital: bool = False  # nothing works without it: if it keeps crashing at the start, that is given up
    stop_wait_s: int = 10  # from SIGTERM to SIGKILL
    stop_note: str = ""  # what it may be busy with when asked to stop, for people
    nice: int = 0
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Plan:
    parts: tuple[Part, ...]
    environment: Mapping[str, str]
    announce: Callable[[], str]  # how to reach the system
    announce_after: tuple[str, ...] = ()  # parts that must be ready first
    announce_with: tuple[str, ...] = ()  # parts that are waited for, but only some seconds


class Folders:
    def __init__(self, data: Path) -> None:
        self.data = data
        self.run = data / "run"  # sockets, lock and generated configuration; private
        self.logs = data / "logs"
        self.redis = data / "redis"

    def log(self, part: str) -> Path:
        return self.logs / f"{part}.log"
