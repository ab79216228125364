"""A part of the system: a program with a name, an order and a sign that it is ready."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path


class Stage(IntEnum):
    """The order of starting. Parts are stopped the other way round, those of one stage at the same time."""

    REDIS = 10
    PLAYGROUND = 20
    BOT = 30
    WORKERS = 40


@dataclass(frozen=True)
class Part:
    """A process that `make run` starts and keeps running."""

    name: str  # for people, and of its log file; letters, digits and hyphens
    command: tuple[str, ...]
    stage: Stage
    vital: bool = False  # later stages wait until it is ready; the run is given up if it keeps ending before that
    ready: Callable[[], bool] = lambda: True
    trouble: Callable[[], str | None] = lambda: None  # what keeps it from its work, for people
    stop_wait_s: int = 10  # from SIGTERM to SIGKILL
    nice: int = 0
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)  # may hold secrets


@dataclass(frozen=True)
class Plan:
    """The parts of a run, and the environment that they share."""

    parts: tuple[Part, ...]
    environment: Mapping[str, str] = field(repr=False)
    announce: Callable[[], str]  # how to reach the system, once all but the workers are ready


class Folders:
    """The data folder and those in it."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.run = data / "run"  # sockets and lock; private
        self.logs = data / "logs"
        self.redis = data / "redis"
