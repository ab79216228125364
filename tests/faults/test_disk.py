"""The disk is full: a training goes on without saving, waits with its model until there is room, and loses nothing.

Needs a disk of its own, which `unshare` gives without root where the system lets users have namespaces.
"""

import contextlib
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.driver.client import text_of
from tests.e2e.acts import lasting
from tests.e2e.system import System, started
from tests.faults import harm
from tests.faults.cells import record
from tests.faults.conftest import assert_nothing_is_left
from tests.faults.moments import CHECKPOINT_S, Training

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or not harm.can_mount(), reason="needs mount namespaces (unshare --user --mount)"
)


WAITS = "The worker's disk is full"


class Small(System):
    """A system with a small disk.

    Attributes:
        small: the folder in the data folder in which the disk is; empty: the data folder is on it.
        megabytes: its size.
    """

    small, megabytes = "checkpoints", 64

    def command(self) -> list[str]:
        place = self.data / self.small
        place.mkdir(parents=True, exist_ok=True)
        return harm.on_a_small_disk(super().command(), place, self.megabytes)

    @property
    def view(self) -> Path:
        assert self.process is not None
        return Path(f"/proc/{self.process.pid}/root") / self.data.relative_to("/")

    @property
    def disk(self) -> harm.Disk:
        """It."""
        return harm.Disk(self.view / self.small)


class AllOnOne(Small):
    """A system with everything on a small disk, Redis' log too."""

    small, megabytes = "", 280


@pytest.fixture(scope="module", params=[Small, AllOnOne], ids=["the worker's disk", "one disk for all"])
def _small(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    folder = tmp_path_factory.mktemp("small")
    yield from started(folder, kind=request.param, CHECKPOINT_EVERY_S=str(CHECKPOINT_S))


@pytest.fixture
def system(_small: Small) -> Iterator[Small]:
    yield _small
    assert_nothing_is_left(_small)


def says(system: Small, training: Training) -> None:
    """The card tells why nothing gets on: of Redis, which can tell nothing then, the bot finds out itself."""
    words = WAITS if system.small else "can't store anything"
    system.wait_for_card(training.card, words, timeout=60)


def fault_of(system: Small) -> str:
    return "worker's disk full" if system.small else "disk full, Redis' too"


def test_it_is_full_while_a_training_runs(system: Small) -> None:
    """Nothing can be saved for longer than a training is at a loss in the end."""
    with Training(system, "full", lasting(0.6)) as training:
        training.trains()
        worker = harm.worker(system, "train").pid
        with system.disk.full():
            says(system, training)
            time.sleep(5)
        since = time.monotonic()
        training.learned()
        assert len(training.attempts()) == 1, "the training went on meanwhile"
        assert harm.worker(system, "train").pid == worker
    record(fault_of(system), "training", "went on unsaved, finished", since=since, lost_s=0)


def test_it_is_full_and_redis_stands_still(system: Small) -> None:
    """It cannot say what is wrong with it; people are told all the same, and not that it cannot be reached."""
    if system.small:
        pytest.skip("Redis' disk is another one")
    with Training(system, "silent", lasting(1)) as training:
        training.trains()
        with system.disk.full(), harm.frozen(harm.redis_server(system)):
            says(system, training)
            assert "can't store anything right now" in text_of(system.ask("!generate the fog"))
        since = time.monotonic()
        training.learned()
    record(fault_of(system), "training, and Redis stands still", "went on, finished", since=since)


def test_it_is_full_while_a_model_is_saved(system: Small) -> None:
    """The model is kept in memory until somebody makes room."""
    with Training(system, "saved") as training:
        training.trains()
        with system.disk.full():
            says(system, training)
            time.sleep(15)  # until after the end of the training
        since = time.monotonic()
        training.learned()
        assert len(training.attempts()) == 1
    record(fault_of(system), "saving", "waited for room, finished", since=since)


def test_it_is_full_while_the_worker_stops(system: Small) -> None:
    """What cannot be saved is lost, but no more than that."""
    with Training(system, "stopped", lasting(0.6)) as training:
        training.trains()
        with contextlib.ExitStack() as stopped:
            with system.disk.full():
                says(system, training)
                stopped.enter_context(harm.without_worker(system, "train"))
            since = time.monotonic()
        told = training.next_attempt(1, 150)
        assert told.event.resumed  # type: ignore[union-attr]
        training.learned()
    record(fault_of(system), "the worker is stopped", "resumed, finished", since=since, until=told.at)


def test_it_is_full_when_an_attempt_begins(system: Small) -> None:
    """The text cannot be laid out: the attempt waits, and its checkpoint stays."""
    with Training(system, "begun", lasting(0.6)) as training:
        training.trains()
        with system.disk.full():
            says(system, training)
            harm.child(system).kill()
            time.sleep(15)
            assert not training.ends
        since = time.monotonic()
        told = training.next_attempt(1, 150)
        assert told.event.resumed  # type: ignore[union-attr]
        training.learned()
    record(fault_of(system), "reading text", "waited for room, resumed, finished", since=since)
