"""What goes wrong: processes that are killed or stand still, a Redis that is away, a disk that is full."""

import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from shared import presence
from tests.e2e.acts import start_worker
from tests.e2e.system import ANSWER_S, System


def worker(system: System, queue: str) -> psutil.Process:
    """The main process of a worker."""
    return system.client.wait_for(lambda: _main(system, queue), ANSWER_S, f"the {queue} worker")


def _main(system: System, queue: str) -> psutil.Process | None:
    return next(iter(system.part("-m", "worker", "serve", queue)), None)


def child(system: System) -> psutil.Process:
    """The process in which the training runs: the worker's child that has used most time."""

    def busiest() -> psutil.Process | None:
        children = [one for one in worker(system, "train").children() if one.is_running()]
        return max(children, key=lambda one: sum(one.cpu_times()[:2]), default=None)

    return system.client.wait_for(busiest, ANSWER_S, "the worker's child")


def bot(system: System) -> psutil.Process:
    """The bot's process."""
    return system.client.wait_for(lambda: next(iter(system.part("-m", "bot")), None), ANSWER_S, "the bot")


def redis_server(system: System) -> psutil.Process:
    """Redis' process."""

    def found() -> psutil.Process | None:
        return next((one for one in system.processes() if "valkey" in one.name() or "redis" in one.name()), None)

    return system.client.wait_for(found, ANSWER_S, "Redis")


def kill(process: psutil.Process) -> float:
    """kill -9; when that was (`time.monotonic`)."""
    process.kill()
    process.wait(20)
    return time.monotonic()


def kill_worker(system: System, queue: str) -> float:
    """Kill a worker with its children at once, as a power cut does; its manager starts it again."""
    main = worker(system, queue)
    doomed = [main, *main.children(recursive=True)]
    for process in doomed:
        process.suspend()  # none sees another die
    for process in doomed:
        process.kill()
    psutil.wait_procs(doomed, 20)
    return time.monotonic()


def broker(system: System) -> str:
    """Celery's address of the running system's Redis."""
    where = (system.view / "run" / "redis.url").read_text().strip()
    return system.seen(where).replace("unix:", "redis+socket:")


def redis_answers(system: System) -> bool:
    """Whether Redis answers."""
    try:
        with system.redis as client:
            return bool(client.ping())
    except Exception:
        return False


@contextmanager
def frozen(*processes: psutil.Process) -> Iterator[None]:
    """Let processes stand still, as on a machine that is asleep."""
    for process in processes:
        process.suspend()
    try:
        yield
    finally:
        for process in processes:
            if process.is_running():
                process.resume()


@contextmanager
def without_redis(system: System) -> Iterator[None]:
    """Stop Redis in order, and start it again afterwards."""
    system.stop_part("redis")
    try:
        yield
    finally:
        system.start_part("redis")
        system.client.wait_for(lambda: redis_answers(system), ANSWER_S, "Redis to come back")


@contextmanager
def losing_what_follows(system: System) -> Iterator[None]:
    """Let Redis forget all that is written in it, as a machine does that loses its power before the disk has it."""
    (log,) = (system.view / "redis" / "appendonlydir").glob("*.incr.aof")
    size = log.stat().st_size
    yield
    with without_redis(system):
        os.truncate(log, size)


@contextmanager
def full_redis(system: System) -> Iterator[None]:
    """In it Redis has no memory for anything new."""
    with system.redis as client:
        client.config_set("maxmemory", 1)
        try:
            yield
        finally:
            client.config_set("maxmemory", 0)


@contextmanager
def without_worker(system: System, queue: str) -> Iterator[None]:
    """Stop a worker in order, and start it again afterwards."""
    system.stop_part(queue)
    try:
        yield
    finally:
        start_worker(system, queue)


def workers_there(system: System, queue: str) -> list[str]:
    """Names of the workers that say that they are there."""
    with system.redis as client:
        return presence.alive(client, queue)


def can_mount() -> bool:
    """Whether a test may give a program a small disk of its own: in a mount namespace, which needs no root."""
    if shutil.which("unshare") is None:
        return False
    probe = ["unshare", *_NAMESPACE, "sh", "-c", "mount -t tmpfs -o size=1m none /mnt"]
    return subprocess.run(probe, capture_output=True, check=False).returncode == 0


_NAMESPACE = ("--user", "--map-root-user", "--mount") if os.geteuid() else ("--mount",)


def on_a_small_disk(command: list[str], folder: Path, megabytes: int) -> list[str]:
    """A command that sees a disk of so many megabytes in a folder."""
    script = 'mount -t tmpfs -o size="$1" none "$2" && shift 2 && exec "$@"'
    return ["unshare", *_NAMESPACE, "sh", "-c", script, "sh", f"{megabytes}m", str(folder), *command]


class Disk:
    """The small disk of a running system, as seen from outside.

    Args:
        folder: where it is, as seen from outside.
    """

    def __init__(self, folder: Path) -> None:
        self._filler = folder / "filler"

    @contextmanager
    def full(self) -> Iterator[None]:
        """In it there is no room."""
        try:
            with self._filler.open("ab", buffering=0) as file:
                for size in (2**20, 2**12, 1):
                    with contextlib.suppress(OSError):
                        while True:
                            file.write(bytes(size))
            yield
        finally:
            self._filler.unlink()
