"""What the launcher is told to do, within the lock of a data folder: run everything, back it up, restore it."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

from galvanic.errors import UserError
from launcher.parts import Folders, Plan
from launcher.preflight import InUseError, Lock, close_env_file, prepare_folders, sockets_folder
from launcher.redis_server import own_redis, redis_answers
from launcher.run import Run, say
from launcher.service import Service
from launcher.system import system_plan
from shared.settings import Settings, read_settings

_LOOK_EVERY_S = 0.1
_BACKUPS = "backups"


def reporting(command: Callable[[], int]) -> int:
    """Print errors; return the command's exit code, or 2: a person must mend something, 78: settings, 130: Ctrl-C."""
    os.umask(0o077)  # what people write is in nearly all that is written from here on
    try:
        return command()
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_status
    except KeyboardInterrupt:
        return 130


def run(*, with_parent: bool) -> int:
    """Raises UserError."""
    settings = read_settings()
    if close_env_file(Path(".env")):
        say("others on this machine could read .env, which may hold secrets: now only you can")
    return run_plan(
        settings.data_dir,
        lambda folders, sockets: system_plan(settings, folders, sockets, say),
        with_parent=with_parent,
    )


def run_plan(data: Path, planner: Callable[[Folders, Path], Plan], *, with_parent: bool = False) -> int:
    """Run until stopped; return the exit code (see `Run.run`). Raises UserError: a person can mend what is in the way.

    `planner`: makes the plan, given the data folder and a folder for sockets.
    """
    folders = prepare_folders(data)
    with Lock(folders) as lock, _sockets(folders) as sockets:
        return Run(planner(folders, sockets), folders, lock, with_parent=with_parent).run()


def backup(file: str | None) -> int:
    """Back up what runs, or what lies in the data folder; return the worker's exit code. Raises UserError."""
    name = file or f"{_BACKUPS}/galvanic-{time.strftime('%Y%m%d-%H%M%S')}.zip"
    settings = read_settings()
    if settings.redis_url is not None:
        return _work(settings, "backup", name)
    if not Folders(settings.data_dir).redis.is_dir():
        raise UserError(f"There is nothing to back up in {settings.data_dir}.", "Say where it is with DATA_DIR=...")
    try:
        with _redis_started(settings, "a backup is being made") as own:
            return _work(own, "backup", name)
    except InUseError:
        if redis_answers(settings):
            return _work(settings, "backup", name)
        raise UserError(
            f"Galvanic is just being started or stopped on {settings.data_dir}, so its Redis does not answer.",
            "Try again in a minute.",
        ) from None


def restore(file: str | None) -> int:
    """Restore, while nothing may be started on the data folder; return the worker's exit code. Raises UserError."""
    if file is None:
        raise UserError("Say which backup is to be restored.", f"For example: make restore FILE={_BACKUPS}/NAME.zip")
    if file != "-" and not Path(file).expanduser().is_file():
        raise UserError(f"There is no file {file}.", "Give one that `make backup` made.")
    with _redis_started(read_settings(), "a backup is being restored") as own:
        return _work(own, "restore", file)


@contextlib.contextmanager
def _sockets(folders: Folders) -> Iterator[Path]:
    """A folder for sockets, for one run."""
    sockets = sockets_folder(folders)
    try:
        yield sockets
    finally:
        (folders.run / "redis.url").unlink(missing_ok=True)
        if sockets != folders.run:
            shutil.rmtree(sockets)


@contextlib.contextmanager
def _redis_started(settings: Settings, doing: str) -> Iterator[Settings]:
    """Run a Redis on the data folder unless one was set; give the settings with its URL.

    `doing` is what a second start is told. Raises UserError.
    """
    folders = prepare_folders(settings.data_dir)
    with Lock(folders) as lock, _sockets(folders) as sockets:
        lock.tell(doing)
        if settings.redis_url is not None:
            yield settings
            return
        settings, part = own_redis(settings, folders, sockets)
        server = Service(part, folders.log(part.name), {}, lock.fileno())
        try:
            server.start()
            while not redis_answers(settings):
                if server.ended() is not None:
                    raise UserError("The Redis of the data folder does not start.", f"Read {server.log}.")
                time.sleep(_LOOK_EVERY_S)
            yield settings
        finally:
            server.stop()  # it writes everything to the disk first


def _work(settings: Settings, command: str, name: str) -> int:
    """Run the worker's command, pass signals on to it, return its exit code. Raises UserError: it was killed."""
    environment = {**os.environ, "DATA_DIR": str(settings.data_dir)}
    if settings.redis_url is not None:
        environment["REDIS_URL"] = settings.redis_url.get_secret_value()
    worker = subprocess.Popen([sys.executable, "-m", "worker", command, name], env=environment)

    def pass_on(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the signature of a handler
        if number == signal.SIGTERM or not os.isatty(0):  # of the others a terminal tells both
            worker.send_signal(number)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup
            signal.signal(number, pass_on)
    code = worker.wait()
    if code < 0:
        left = f"{name}.partial" if command == "backup" else f"models and checkpoints in {settings.data_dir}"
        raise UserError(f"It was killed by signal {-code}.", f"Delete what it left: {left}.")
    return code
