"""`backup` and `restore`: the whole installation as one file."""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, BinaryIO, cast

import redis

from galvanic.cli.base import report
from galvanic.errors import UserError
from galvanic.files import sync_folder
from galvanic.units import MEGABYTE, count
from shared.connect import connect, explain
from shared.settings import Settings, get_settings
from worker.backup.archive import Backup
from worker.backup.restore import Restored, require_nobody, restore
from worker.backup.take import Taken, take

_PIPE = "-"
_STOPPED = 130
_REPLY_WITHIN_S = 300.0  # commands that read or write everything there is take long


def backup_command(options: argparse.Namespace) -> int:
    settings = get_settings()
    with _redis_of(settings) as client:
        if options.file == _PIPE:
            if sys.stdout.isatty():
                raise UserError("A backup is no text for a terminal.", "Write it to a file: `> galvanic.zip`.")
            taken = take(settings, client, sys.stdout.buffer, _say)
            sys.stdout.buffer.flush()
            _say(_told_of_backup(taken, "the backup: "))
            return 0
        path = Path(options.file).expanduser().absolute()
        with _whole_or_not(path) as file:
            taken = take(settings, client, file, _say)
    size = path.stat().st_size
    values = {**taken.description.model_dump(), "file": str(path), "bytes": size, "missing": taken.missing}
    report(options.json, values, [_told_of_backup(taken, f"{path}: {size / MEGABYTE:,.1f} MB, ")])
    return 0


def restore_command(options: argparse.Namespace) -> int:
    settings = get_settings()
    with _redis_of(settings) as client:
        require_nobody(client)
        with _opened(settings, options.file) as file:
            restored = restore(settings, client, Backup(file), _say)
    values = {**restored.description.model_dump(), "restored_models": restored.models, "trainings": restored.trainings}
    report(options.json, values, [_told_of_restore(restored)])
    return 0


def _told_of_backup(taken: Taken, begins: str) -> str:
    description = taken.description
    trainings = f", {count(description.trainings, 'training')} not over" if description.trainings else ""
    goes_on = f" ({taken.checkpoints} with a checkpoint)" if taken.checkpoints else ""
    told = (
        f"{begins}{count(description.entries, 'key')} of Redis, "
        f"{count(description.models - len(taken.missing), 'model')}{trainings}{goes_on}\n"
        "It has members' words in it: keep it where only you can read it, and no longer than you say in your policy.\n"
        "Not in it: .env, and your own texts in CORPORA_DIR."
    )
    if taken.missing:
        told += f"\nThe files of these models are not in the store: {', '.join(taken.missing)}"
    return told


def _told_of_restore(restored: Restored) -> str:
    moment = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(restored.description.taken_at))
    lines = [f"Restored as of {moment}: {count(restored.models, 'model')}."]
    if restored.trainings:
        where = f", {restored.checkpoints} from a checkpoint" if restored.checkpoints else ""
        lines.append(f"{count(restored.trainings, 'training')} not over: will go on at the next start{where}.")
    if restored.without_files:
        names = ", ".join(restored.without_files)
        lines.append(f"The backup had no files of these models, so they are gone: {names}")
    return "\n".join(
        [
            *lines,
            f"Whatever members took back, deleted or forbade after {moment} (optout, forget-me, model delete, "
            "allow-training off) has come back too. Tell them, so that they can do it again.",
            "Before you start: the installation that the backup was made of must not run any more.",
        ]
    )


def _say(line: str) -> None:
    """The terminal may be gone; tidying up must go on without it."""
    with suppress(OSError):
        print(line, file=sys.stderr, flush=True)


@contextmanager
def _redis_of(settings: Settings) -> Iterator[redis.Redis]:
    """Meanwhile SIGTERM, and the end of the terminal, stop the command in the same orderly way as Ctrl-C."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup
            signal.signal(number, signal.default_int_handler)
    with connect(settings, socket_timeout=_REPLY_WITHIN_S) as client:
        try:
            yield client
        except redis.RedisError as error:
            raise explain(error, settings) from error
        except KeyboardInterrupt:
            _say("stopped")
            raise SystemExit(_STOPPED) from None


@contextmanager
def _whole_or_not(path: Path) -> Iterator[IO[bytes]]:
    """A private file that gets its name once it is whole on the disk. Raises UserError: exists, or cannot be made."""
    partial = path.with_name(f"{path.name}.partial")
    if path.exists():
        raise UserError(f"There is a file {path} already.", "Choose another name, or move it away.")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise UserError(
            f"{partial} cannot be written: {error.strerror}.",
            "Choose another folder, or - for standard output. If a killed backup left it, delete it.",
        ) from error
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        partial.rename(path)
        sync_folder(path.parent)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def _opened(settings: Settings, name: str) -> Iterator[BinaryIO]:
    """Standard input is copied to the disk, as a zip is read from its end. Raises UserError: it cannot be read."""
    if name != _PIPE:
        try:
            file = Path(name).expanduser().open("rb")
        except OSError as error:
            raise UserError(f"{name} cannot be read: {error.strerror}.", "Give the file that `backup` made.") from error
        with file:
            yield file
        return
    if sys.stdin.isatty():
        raise UserError("There is no backup on standard input.", "Give one: `< galvanic.zip`.")
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    _say("waiting for the backup on standard input")
    with tempfile.TemporaryFile(dir=settings.data_dir) as spooled:
        shutil.copyfileobj(sys.stdin.buffer, spooled)
        yield cast(BinaryIO, spooled)
