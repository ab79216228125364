"""Backup and restore of a data folder: Redis' snapshot, the models and the checkpoints, in one zip file."""

import contextlib
import os
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
from launcher.preflight import locked, prepare_folders, write_note
from launcher.redis_server import SNAPSHOT, redis_answers
from shared.connect import connect_once, explain
from shared.settings import Settings, read_settings

_SNAPSHOT = "redis.rdb"
_FOLDERS = ("checkpoints", "models")
"""Copied in this order: a training that ends meanwhile moves its model from the first folder to the second."""
_PART = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}"
# Without the text beside a checkpoint: the worker takes it from Redis again, if its words may still be learned.
_NAME = re.compile(rf"{_SNAPSHOT}|models/{_PART}\.safetensors|checkpoints/{_PART}/{_PART}/(?!text\.txt){_PART}")
_SAVED_WITHIN_S = 300.0


def backup(file: str | None) -> int:
    """Write a backup while everything runs; return 0. Raises UserError."""
    path = Path(file or f"backups/galvanic-{time.strftime('%Y%m%d-%H%M%S')}.zip").expanduser().absolute()
    settings = _settings_of_own_redis()
    if path.exists():
        raise UserError(f"There is a file {path} already.", "Choose another name, or move it away.")
    if not redis_answers(settings):
        raise UserError(
            f"Galvanic does not run on the data folder {settings.data_dir}.",
            "Start it and try again, or copy the folder as it is. DATA_DIR=/some/folder names another one.",
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as partial, zipfile.ZipFile(partial, "x", strict_timestamps=False) as archive:
            _add_snapshot(archive, settings)
            _add_files(archive, settings.data_dir)
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
        with locked(folders) as lock:
            write_note(lock, "a backup is being restored")
            _unpack(archive, folders)
    print(
        f"Restored as of {moment}: {_models(archive)}.\n"
        "What members took back, deleted or forbade after that moment (optout, forget-me, model delete, "
        "allow-training off) has come back too. Tell them, so that they can do it again.\n"
        "Before you start: the installation that the backup was made of must not run any more."
    )
    return 0


def _settings_of_own_redis() -> Settings:
    """Read the settings, and let a signal end the command tidily. Raises UserError: Redis isn't the launcher's own."""
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
        # Redis goes on with a snapshot that was given up, and answers when it is there.
        with contextlib.suppress(redis.RedisError), connect_once(settings, _SAVED_WITHIN_S) as client:
            client.ping()
        snapshot.unlink(missing_ok=True)  # nothing else would delete this copy of people's words


def _add_files(archive: zipfile.ZipFile, data: Path) -> None:
    """Add checkpoints and models; a file that is deleted before it is read is left out."""
    for folder in _FOLDERS:
        # Not by rglob: Python 3.11's fails if a folder disappears meanwhile.
        for path in sorted(Path(parent, name) for parent, _, names in os.walk(data / folder) for name in names):
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


def _unpack(archive: zipfile.ZipFile, folders: Folders) -> None:
    """Unpack into empty folders; if that fails, nothing is left there. Raises UserError: they are not empty."""
    places = [folders.redis, *(folders.data / name for name in _FOLDERS)]
    if full := [str(place) for place in places if place.is_dir() and any(place.iterdir())]:
        raise UserError(
            f"A backup can be restored into an empty DATA_DIR only, and this is not empty: {', '.join(full)}.",
            "Choose another DATA_DIR, or move this away. If an earlier restore was killed, delete what it left there.",
        )
    try:
        for name in archive.namelist():  # _opened has checked the names
            if name != _SNAPSHOT:
                archive.extract(name, folders.data)
        # Redis ignores a bare snapshot when it has an append-only file, but such a file may begin with one.
        base = folders.redis / "appendonlydir" / "appendonly.aof.1.base.rdb"
        base.parent.mkdir()
        with archive.open(_SNAPSHOT) as snapshot, base.open("xb") as target:
            shutil.copyfileobj(snapshot, target)
        (base.parent / "appendonly.aof.manifest").write_text(f"file {base.name} seq 1 type b\n", "utf-8")
    except BaseException:
        for path in [path for place in places for path in place.glob("*")]:  # a place may be a link, or a mount
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        raise
