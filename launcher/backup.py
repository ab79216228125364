"""Backup and restore of a data folder: Redis' snapshot, the models and the checkpoints, in one zip file."""

from __future__ import annotations

import contextlib
import re
import shutil
import signal
import time
import zipfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import redis

from galvanic.errors import UserError
from galvanic.files import replacing
from galvanic.units import MEGABYTE, count
from launcher.parts import Folders
from launcher.preflight import Lock, prepare_folders, sockets_folder
from launcher.redis_server import SNAPSHOT, own_redis, redis_answers
from launcher.service import Service
from shared.connect import connect_once, explain
from shared.settings import Settings, read_settings

_SNAPSHOT = "redis.rdb"
_FOLDERS = ("checkpoints", "models")
"""Copied in this order: a training that ends meanwhile moves its model from the first folder to the second."""
_PART = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}"
# Without the text beside a checkpoint: the worker takes it from Redis again, if its words may still be learned.
_NAME = re.compile(
    rf"{_SNAPSHOT}|models/{_PART}\.safetensors|checkpoints/{_PART}/{_PART}/(?!text\.txt){_PART}(/{_PART})?"
)
_SAVED_WITHIN_S = 300.0


def backup(file: str | None) -> int:
    """Write a backup, also while everything runs; return 0. Raises UserError."""
    path = Path(file or f"backups/galvanic-{time.strftime('%Y%m%d-%H%M%S')}.zip").expanduser().absolute()
    settings = _settings_of_own_redis()
    folders = Folders(settings.data_dir)
    if path.exists():
        raise UserError(f"There is a file {path} already.", "Choose another name, or move it away.")
    if not folders.redis.is_dir():
        raise UserError(f"There is nothing to back up in {folders.data}.", "Say where it is with DATA_DIR=...")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as partial, zipfile.ZipFile(partial, "x", strict_timestamps=False) as archive:
            with _running_redis(settings) as running:
                _add_snapshot(archive, running)
            _add_files(archive, folders.data)
    except OSError as error:
        problem = f"The backup could not be written: {error.strerror}."
        raise UserError(problem, "Make room, or name another file with FILE=/some/where.zip") from error
    print(
        f"{path}: {path.stat().st_size / MEGABYTE:,.1f} MB, {_models(archive)}.\n"
        "It has members' words in it: keep it where only you can read it, and no longer than you say in your policy.\n"
        f"Not in it: .env, texts in CORPORA_DIR{', models in MODEL_STORE' if settings.model_store else ''}."
    )
    return 0


def restore(file: str | None) -> int:
    """Unpack a backup into a data folder without data, all or nothing; return 0. Raises UserError."""
    if file is None:
        raise UserError("Say which backup is to be restored.", "For example: make restore FILE=backups/NAME.zip")
    settings = _settings_of_own_redis()
    with _opened(Path(file).expanduser()) as archive:
        moment = datetime(*archive.getinfo(_SNAPSHOT).date_time)  # local time
        folders = prepare_folders(settings.data_dir)
        with Lock(folders) as lock:
            lock.tell("a backup is being restored")
            _require_room(folders, sum(part.file_size for part in archive.infolist()))
            _unpack(archive, settings, folders, lock)
    print(
        f"Restored as of {moment}: {_models(archive)}.\n"
        "What members took back, deleted or forbade after that moment (optout, forget-me, model delete, "
        "allow-training off) has come back too. Tell them, so that they can do it again.\n"
        "Before you start: the installation that the backup was made of must not run any more."
    )
    return 0


def _settings_of_own_redis() -> Settings:
    """Return the settings; from here on a signal that ends the command lets it tidy up. Raises UserError."""
    settings = read_settings()
    if settings.redis_url is not None:
        remedy = "docs/operations.md says how to back up and restore such a Redis."
        raise UserError("REDIS_URL is set, so what Redis holds is not in DATA_DIR.", remedy)
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup
            signal.signal(number, signal.default_int_handler)
    return settings


def _models(archive: zipfile.ZipFile) -> str:
    return count(sum(name.startswith("models/") for name in archive.namelist()), "model")


@contextlib.contextmanager
def _running_redis(settings: Settings) -> Iterator[Settings]:
    """Give the settings of the Redis of the data folder; if nothing runs, start it meanwhile. Raises UserError."""
    if redis_answers(settings):
        yield settings
        return
    folders = prepare_folders(settings.data_dir)
    with Lock(folders) as lock:
        lock.tell("a backup is being made")
        with _started_redis(settings, folders, lock) as started:
            yield started


@contextlib.contextmanager
def _started_redis(settings: Settings, folders: Folders, lock: Lock) -> Iterator[Settings]:
    """Run a Redis on these folders, and give its settings. Raises UserError: it cannot read its data."""
    with sockets_folder(folders) as sockets:
        settings, part = own_redis(settings, folders, sockets)
        server = Service(part, folders.log(part.name), {}, lock.fileno())
        try:
            server.start()
            while not redis_answers(settings):
                if server.ended() is not None:
                    problem = f"Redis could not read its data:\n{server.log_end(3)}"
                    raise UserError(problem, "Use the same Redis that wrote it, or a newer version of it.")
                time.sleep(0.1)
            yield settings
        finally:
            server.stop()  # it writes everything to the disk first


def _add_snapshot(archive: zipfile.ZipFile, settings: Settings) -> None:
    """Add all that Redis holds at this moment. Raises UserError: Redis could not write it, or does not answer."""
    snapshot = Folders(settings.data_dir).redis / SNAPSHOT
    try:
        with connect_once(settings, _SAVED_WITHIN_S) as client:
            client.save()
        archive.write(snapshot, _SNAPSHOT)
    except redis.ResponseError as error:
        problem = f"Redis could not write its snapshot into {snapshot.parent}."
        raise UserError(problem, "Make room on that disk, and try again.") from error
    except redis.RedisError as error:
        raise explain(error, settings) from error
    finally:
        snapshot.unlink(missing_ok=True)  # nothing else would delete this copy of people's words


def _add_files(archive: zipfile.ZipFile, data: Path) -> None:
    """Add checkpoints and models; a file that is deleted before it is read is left out."""
    for folder in _FOLDERS:
        for path in sorted((data / folder).rglob("*")):
            name = path.relative_to(data).as_posix()
            if _NAME.fullmatch(name) and path.is_file():
                with contextlib.suppress(FileNotFoundError):
                    archive.write(path, name)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    """Open a backup. Raises UserError: there is none, or it proves to be damaged while it is read."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            # `backup` packs nothing: what is packed could unpack to more than it says.
            packed = any(part.compress_type != zipfile.ZIP_STORED for part in archive.infolist())
            if packed or _SNAPSHOT not in names or not all(map(_NAME.fullmatch, names)):
                raise zipfile.BadZipFile
            yield archive
    except OSError as error:
        problem = f"{path} could not be restored: {error.strerror}."
        raise UserError(problem, "Give a file that `make backup` made, and see that the disk has room.") from error
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        problem = f"{path} is damaged, not whole, or no backup of this version of Galvanic."
        raise UserError(problem, "Copy the file here once more, or give another one.") from error


def _require_room(folders: Folders, needed: int) -> None:
    """Check that a restore overwrites nothing and that the disk has room for it. Raises UserError."""
    places = [folders.data / name for name in (*_FOLDERS, "redis")]
    if full := [str(place) for place in places if place.is_dir() and any(place.iterdir())]:
        raise UserError(
            f"A backup can be restored into an empty DATA_DIR only, and this is not empty: {', '.join(full)}.",
            "Choose another DATA_DIR, or move this away. If an earlier restore was killed, delete what it left there.",
        )
    if (free := shutil.disk_usage(folders.data).free) < needed:
        raise UserError(
            f"{folders.data} has {free / MEGABYTE:,.0f} MB free; the backup needs {needed / MEGABYTE:,.0f} MB.",
            "Make room, or choose a folder on another disk with DATA_DIR=/some/folder.",
        )


def _unpack(archive: zipfile.ZipFile, settings: Settings, folders: Folders, lock: Lock) -> None:
    """Unpack aside, see that Redis can read it, and move it into place."""
    aside = folders.data / "restoring"
    shutil.rmtree(aside, ignore_errors=True)  # of a restore that was killed
    try:
        for part in archive.infolist():  # their names were looked through
            archive.extract(part, aside)
        unpacked = prepare_folders(aside)
        # Redis ignores a bare snapshot when it has an append-only file, but such a file may begin with one.
        base = unpacked.redis / "appendonlydir" / "appendonly.aof.1.base.rdb"
        base.parent.mkdir()
        (aside / _SNAPSHOT).rename(base)
        (base.parent / "appendonly.aof.manifest").write_text(f"file {base.name} seq 1 type b\n", "utf-8")
        with _started_redis(settings.model_copy(update={"data_dir": aside}), unpacked, lock):
            pass
        with contextlib.ExitStack() as undo:  # a folder that is a link or another disk cannot be replaced
            for name in (*_FOLDERS, "redis"):  # Redis last: it names the others
                if (aside / name).is_dir():
                    (aside / name).replace(folders.data / name)
                    undo.callback(shutil.rmtree, folders.data / name)
            undo.pop_all()
    finally:
        shutil.rmtree(aside, ignore_errors=True)
