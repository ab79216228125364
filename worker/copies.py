"""Copies of running trainings' checkpoints in a remote model store, for the host that has to take over.

A copy is made in the background from what is on the disk already, so no step waits for it. Each attempt has its own,
under its number: one that was superseded and does not know it yet spoils nothing.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import redis
import structlog

from galvanic.checkpoint import NAME, write_text
from shared import keys
from shared.settings import Settings
from worker.cache import temporary
from worker.files import JobFiles
from worker.remote import RemoteStore, StoreAway
from worker.store import ModelStore

_FOLDER = "checkpoints"

log = structlog.get_logger()


class CheckpointCopies:
    """The copies of one training's checkpoints; of a local store there are none: it is on this disk, too."""

    def __init__(self, settings: Settings, store: ModelStore, files: JobFiles, attempt: int) -> None:
        self._every_s = settings.checkpoint_copy_every_s
        self._remote = store.remote
        self._temporary = store.cache.folder
        self._files = files
        self._attempt = attempt
        self._noted = False
        self._copied = time.monotonic()
        self._copied_file: int | None = None
        self._thread: threading.Thread | None = None

    def saved(self) -> None:
        """A checkpoint is on the disk: copy it unless that was done lately, or is being done."""
        if self._remote is None:
            return
        if not self._noted:
            self._noted = _note(self._files, self._attempt)
        running = self._thread is not None and self._thread.is_alive()
        if not running and time.monotonic() - self._copied >= self._every_s:
            self._thread = threading.Thread(target=self._copy, args=(self._remote,), name="copy", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Wait for the copy that is being made."""
        if self._thread is not None:
            self._thread.join()

    def complete(self) -> None:
        """Copy the last checkpoint: this attempt ends, and the next one may be on another host."""
        self.close()
        if self._remote is not None and self._noted:
            self._copy(self._remote)

    def drop(self) -> None:
        """Remove the copies of all attempts: none may be resumed from. Raises StoreAway."""
        self.close()
        if self._remote is not None:
            self._remote.remove_folder(_folder_of(self._files))
        self._noted, self._copied_file = False, None

    def bring(self) -> bool:
        """Replace this host's checkpoint with the newest copy if a later attempt made that; whether it did.

        Raises StoreAway, or OSError when it cannot be written here.
        """
        if self._remote is None or self._attempt <= 1 or self._files.made.exists():
            return False  # a first attempt need not wait for a store that is away
        if (own := _noted(self._files)) == self._attempt - 1:
            return False  # what is here is the newest
        folder = _folder_of(self._files)
        attempts = _attempts(self._remote, folder)
        if not attempts or attempts[-1] <= own:
            return False
        try:
            with temporary(self._temporary, "checkpoint") as brought:
                brought.mkdir()
                names = self._remote.names(folder)
                for name in (NAME, self._files.learned.name):
                    if (copy := _object(attempts[-1], name)) in names or name == NAME:
                        self._remote.get(f"{folder}/{copy}", brought / name)
                self._take(brought)
        except FileNotFoundError:
            log.warning("copy_not_usable", attempt=attempts[-1])
            return False
        _note(self._files, attempts[-1])
        log.info("checkpoint_brought", attempt=attempts[-1])
        return True

    def _take(self, brought: Path) -> None:
        files = self._files
        if files.checkpoint.exists():
            shutil.rmtree(files.checkpoint)
        files.learned.unlink(missing_ok=True)
        files.folder.mkdir(parents=True, exist_ok=True)
        if (brought / files.learned.name).exists():
            shutil.move(brought / files.learned.name, files.learned)
        shutil.move(brought, files.checkpoint)

    def _copy(self, remote: RemoteStore) -> None:
        """Copy what is on the disk. Errors are only logged: the next copy comes soon."""
        folder, began = _folder_of(self._files), time.monotonic()
        try:
            with self._snapshot() as paths:
                stat = paths[-1].stat()
                if stat.st_ino == self._copied_file:
                    return
                for path in paths:  # the checkpoint last: a copy without it is none
                    remote.put(f"{folder}/{_object(self._attempt, path.name)}", path)
                self._copied_file = stat.st_ino
                log.info("checkpoint_copied", bytes=stat.st_size, seconds=round(time.monotonic() - began, 1))
            for name in remote.names(folder):
                number = name.partition(".")[0]
                if number.isdecimal() and int(number) < self._attempt:
                    remote.remove(f"{folder}/{name}")
        except OSError as error:
            log.warning("checkpoint_not_copied", error=str(error) if error.errno is None else type(error).__name__)
        finally:
            self._copied = time.monotonic()

    @contextlib.contextmanager
    def _snapshot(self) -> Iterator[list[Path]]:
        """The files as they are now; they do not change while they are read."""
        with temporary(self._temporary, "checkpoint") as folder:
            folder.mkdir()
            names = [self._files.learned] if self._files.learned.exists() else []
            names += [self._files.checkpoint / NAME]
            for path in names:
                try:
                    os.link(path, folder / path.name)  # each is replaced, never written to
                except PermissionError:  # a file system without links
                    shutil.copyfile(path, folder / path.name)
            yield [folder / path.name for path in names]


def remove_copies(store: ModelStore, job_id: str) -> None:
    """Raises StoreAway."""
    if store.remote is not None:
        store.remote.remove_folder(f"{_FOLDER}/{job_id}")


def copied_jobs(store: ModelStore) -> list[str]:
    """The trainings of which there are copies. Raises StoreAway."""
    return store.remote.folders(_FOLDER) if store.remote is not None else []


def remove_left_copies(settings: Settings, client: redis.Redis) -> None:
    """Remove the copies of trainings that are over or forgotten: whose host was killed, or could not reach the store.

    Raises redis.RedisError.
    """
    store = ModelStore(settings)
    try:
        for job_id in copied_jobs(store):
            known, state = cast(list[bytes | None], client.hmget(keys.job(job_id), "job", "state"))
            if known is None or state == b"over":
                remove_copies(store, job_id)
                log.info("copies_removed", job_id=job_id)
    except StoreAway as error:
        log.warning("copies_not_looked_for", error=str(error))  # the next training looks again


def _object(attempt: int, name: str) -> str:
    return f"{attempt}.{name}"


def _attempts(remote: RemoteStore, folder: str) -> list[int]:
    """The attempts of which there is a copy, in order."""
    numbers = (name.removesuffix(f".{NAME}") for name in remote.names(folder) if name.endswith(f".{NAME}"))
    return sorted(int(number) for number in numbers if number.isdecimal())


def _folder_of(files: JobFiles) -> str:
    return f"{_FOLDER}/{files.folder.name}"


def _note(files: JobFiles, attempt: int) -> bool:
    """Note which attempt made the checkpoint that is here; whether that was possible."""
    try:
        write_text(files.attempt, str(attempt))
    except OSError as error:
        log.warning("attempt_not_noted", error=type(error).__name__)
        return False
    return True


def _noted(files: JobFiles) -> int:
    """Which attempt made the checkpoint that is here; -1: none, or nobody knows."""
    try:
        return int(files.attempt.read_text("ascii")) if files.checkpoint.exists() else -1
    except (OSError, ValueError):
        return -1
