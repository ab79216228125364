"""A system that is hurt again and again: after each test nothing may be left of it."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from benchmarks.load import memory
from shared import keys
from tests.driver.client import NotInTimeError
from tests.e2e.acts import forget_models
from tests.e2e.conftest import _show_logs, pytest_runtest_makereport  # noqa: F401  # they show the logs of failed tests
from tests.e2e.system import System, started
from tests.faults import harm
from tests.faults.moments import CHECKPOINT_S


@pytest.fixture(scope="session")
def _hurt(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    folder = tmp_path_factory.mktemp("hurt")
    yield from started(folder, CHECKPOINT_EVERY_S=str(CHECKPOINT_S), GENERATE_MAX_LENGTH="200000")


@pytest.fixture
def system(_hurt: System) -> Iterator[System]:
    """The system that most of these tests share: it must come out of each as it went in."""
    yield _hurt
    _hurt.client.clear_faults()
    assert_nothing_is_left(_hurt)


def assert_nothing_is_left(system: System, timeout: float = 120) -> None:
    """Nothing is locked, waits, runs or lies about, and all parts are there.

    The limit is above 70 s, within which Celery gives back what a killed worker had taken (`visibility_timeout`).
    """
    try:
        left = left_in_the_end(system, timeout)
        assert not left, f"left over: {left}"
    finally:
        forget_models(system)
        for path in (system.view / "models").glob("*"):
            path.unlink()


def left_in_the_end(system: System, timeout: float) -> dict[str, Any]:
    """Wait until nothing is left over; what still is after that time."""
    left: dict[str, Any] = {}

    def clean() -> bool:
        left.clear()
        left.update(left_over(system))
        return not left

    with contextlib.suppress(NotInTimeError):
        system.client.wait_for(clean, timeout, "a clean system")
    return left


def left_over(system: System) -> dict[str, Any]:
    """What is not as in a system that has nothing to do, by name."""
    try:
        with system.redis as client:
            found: dict[str, Any] = {
                **memory.left(client),
                "active": client.hgetall(keys.ACTIVE),
                "undelivered": client.smembers(keys.OUTBOX),
                "leases": client.keys("job:*:lease"),
                "deletions": client.smembers(keys.DELETING),
            }
            models = {key.decode().partition(":")[2] for key in client.keys("model:*")}
    except (redis.RedisError, OSError, FileNotFoundError) as error:
        return {"redis": repr(error)}
    found["checkpoints"] = _names(system.view / "checkpoints")
    found["models without a record"] = [
        name for name in _names(system.view / "models") if name.removesuffix(".safetensors") not in models
    ]
    found["parts that are gone"] = [] if system.client.world().bot_online else ["bot"]
    found["parts that are gone"] += [q for q in ("train", "generate") if not harm.workers_there(system, q)]
    return {name: value for name, value in found.items() if value}


def _names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()] if folder.is_dir() else []
