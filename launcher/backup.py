"""`make backup` and `make restore`: the worker's commands, on the Redis that `make run` works with."""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

from launcher.config import guarded
from launcher.guard import PARENT_VARIABLE
from launcher.parts import Folders
from launcher.preflight import InUseError, Lock, prepare_folders, sockets_folder
from launcher.system import own_redis, redis_answers
from shared.errors import UserError
from shared.settings import Settings, read_settings

BACKUP, RESTORE = "backup", "restore"
_LOOK_EVERY_S = 0.1
_STOP_S = 60.0
_FOLDER = "backups"


def run_backup(arguments: list[str]) -> int:
    """Return the worker's exit code. Raises UserError: something stands in the way that a person can mend."""
    parser = argparse.ArgumentParser(prog="python -m launcher", description=__doc__)
    parser.add_argument("command", choices=(BACKUP, RESTORE))
    parser.add_argument("file", nargs="?", metavar="FILE", help=f"default: a new one in the folder {_FOLDER}")
    options = parser.parse_args(arguments)
    if options.command == RESTORE and options.file is None:
        raise UserError("Say which backup is to be restored.", f"For example: make {RESTORE} FILE={_FOLDER}/NAME.zip")
    name = options.file or f"{_FOLDER}/galvanic-{time.strftime('%Y%m%d-%H%M%S')}.zip"
    settings = read_settings()
    if options.command == BACKUP:
        return _backup(settings, name)
    return _restore(settings, name)


def _backup(settings: Settings, name: str) -> int:
    """Back up what runs, or what lies in the data folder."""
    if settings.redis_url is not None:
        return _work(settings, BACKUP, name)
    if not Folders(settings.data_dir).redis.is_dir():
        raise UserError(f"There is nothing to back up in {settings.data_dir}.", "Say where it is with DATA_DIR=...")
    folders = prepare_folders(settings.data_dir)
    try:
        with Lock(folders) as lock, _started_redis(folders, lock, "a backup is being made") as url:
            return _work(settings, BACKUP, name, url)
    except InUseError:
        return _work(settings, BACKUP, name, _running_redis(settings))


def _restore(settings: Settings, name: str) -> int:
    """Restore into the data folder, while nothing else may be started on it."""
    if name != "-" and not Path(name).expanduser().is_file():
        raise UserError(f"There is no file {name}.", "Give one that `make backup` made.")
    folders = prepare_folders(settings.data_dir)
    with Lock(folders) as lock:
        if settings.redis_url is not None:
            lock.tell("a backup is being restored")
            return _work(settings, RESTORE, name)
        with _started_redis(folders, lock, "a backup is being restored") as url:
            return _work(settings, RESTORE, name, url)


def _running_redis(settings: Settings) -> str:
    """Return the URL of the Redis that runs on the data folder. Raises UserError: it does not answer."""
    with contextlib.suppress(OSError):
        url = settings.redis_url_file.read_text("utf-8").strip()
        if url and redis_answers(url):
            return url
    raise UserError(
        f"Galvanic is just being started or stopped on {settings.data_dir}, so its Redis does not answer.",
        "Try again in a minute.",
    )


@contextlib.contextmanager
def _started_redis(folders: Folders, lock: Lock, doing: str) -> Iterator[str]:
    """Run a Redis on the data folder, and give its URL; `doing` is what a second start is told. Raises UserError."""
    lock.tell(doing)
    sockets = sockets_folder(folders)
    try:
        url, command = own_redis(folders, sockets)
        with folders.log("redis").open("ab") as log:
            redis = subprocess.Popen(
                guarded(command, "SIGTERM", folders.data),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, PARENT_VARIABLE: str(os.getpid())},
                start_new_session=True,  # Ctrl-C is for the worker, which still needs Redis to tidy up
            )
        try:
            while not redis_answers(url):
                if redis.poll() is not None:
                    raise UserError("The Redis of the data folder does not start.", f"Read {folders.log('redis')}.")
                time.sleep(_LOOK_EVERY_S)
            yield url
        finally:
            redis.terminate()  # it writes everything to the disk first
            try:
                redis.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                redis.kill()
                redis.wait()
    finally:
        (folders.run / "redis.url").unlink(missing_ok=True)
        if sockets != folders.run:
            shutil.rmtree(sockets)


def _work(settings: Settings, command: str, name: str, redis_url: str | None = None) -> int:
    """Run the worker's command, pass signals on to it, return its exit code. Raises UserError: it was killed."""
    environment = {**os.environ, "DATA_DIR": str(settings.data_dir)}
    if redis_url is not None:
        environment["REDIS_URL"] = redis_url
    worker = subprocess.Popen([sys.executable, "-m", "worker", command, name], env=environment)

    def pass_on(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the signature of a handler
        if number == signal.SIGTERM or not os.isatty(0):  # of the others a terminal tells both
            worker.send_signal(number)

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:  # nohup
            signal.signal(number, pass_on)
    try:
        code = worker.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if code < 0:
        left = f"{name}.partial" if command == BACKUP else f"models, checkpoints and restoring-* in {settings.data_dir}"
        raise UserError(f"It was killed by signal {-code}.", f"Delete what it left: {left}.")
    return code
