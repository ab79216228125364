"""Copies of running trainings' checkpoints in a remote model store, for the host that has to take over.

A copy is made in the background from what is on the disk already, so no step waits for it. Each attempt has its own,
under its number and in the folder of its text: one that was superseded and does not know it yet spoils nothing.
"""

from __future__ import annotations

import contextlib
import contextvars
import math
import shutil
import threading
import time
from typing import cast

import redis
import structlog
from pydantic import ValidationError

from galvanic.checkpoint import NAME
from galvanic.files import write_text
from shared import keys
from shared.jobs import TrainJob, is_id
from shared.settings import Settings
from worker.files import JobFiles, TextFiles, folder_of_all, text_folder
from worker.store import ModelStore

_FOLDER = "checkpoints"
COPY_EVERY_S = 180.0
"""Between two copies of a checkpoint."""

log = structlog.get_logger()


class CheckpointCopies:
    """Copies a training's checkpoint into a remote store now and then; a local store is on this disk, too."""

    def __init__(self, store: ModelStore, files: TextFiles, attempt: int) -> None:
        self._store = store
        self._files = files
        self._attempt = attempt
        self._folder = f"{_FOLDER}/{files.folder.parent.name}/{files.folder.name}"
        self._noted = False
        self._copied_at = -math.inf
        self._copied_file: int | None = None
        self._copying = threading.Lock()

    def saved(self) -> None:
        """Note that a checkpoint is on the disk, and begin to copy it if the last copy is old."""
        if self._store.is_local:
            return
        if not self._noted:
            with contextlib.suppress(OSError):  # the disk is full: noted with a later one
                self._note(self._attempt)
                self._noted = True
        if time.monotonic() - self._copied_at >= COPY_EVERY_S and not self._copying.locked():
            run = contextvars.copy_context().run
            threading.Thread(target=run, args=(self.complete,), name="checkpoint-copy", daemon=True).start()

    def complete(self) -> None:
        """Copy the last checkpoint, as before this attempt ends, for the next one may be on another host."""
        try:
            self._copy()
        except OSError as error:
            log.warning("checkpoint_not_copied", error=str(error))

    def drop(self) -> None:
        """Remove the copies of all attempts at this text, and make none any more. Raises StoreAway."""
        with self._copying:
            self._noted, self._copied_file = False, None
            if not self._store.is_local:
                self._store.remove(self._folder, folder=True)

    def bring(self) -> None:
        """Replace this host's checkpoint with the newest copy, if a later attempt made that.

        Raises StoreAway, or OSError when it cannot be written here.
        """
        files = self._files
        if self._store.is_local or self._attempt <= 1 or files.made.exists():
            return  # a first attempt need not wait for a store that is away
        own = -1  # nothing is here, or nobody knows whose it is
        with contextlib.suppress(OSError, ValueError):
            own = int(files.attempt.read_text("ascii")) if files.checkpoint.exists() else -1
        if own == self._attempt - 1:
            return  # what is here is the newest
        names = self._store.names(self._folder)
        newest = max((int(name.partition(".")[0]) for name in names if name.endswith(f".{NAME}")), default=-1)
        if newest <= own:
            return
        brought = files.folder / "brought"
        brought.mkdir(parents=True, exist_ok=True)
        try:
            self._store.get(f"{self._folder}/{newest}.{NAME}", brought / NAME)
            if files.checkpoint.exists():
                shutil.rmtree(files.checkpoint)
        except FileNotFoundError:
            log.warning("copy_not_usable", attempt=newest)
            return
        brought.rename(files.checkpoint)
        self._note(newest)
        log.info("checkpoint_brought", attempt=newest)

    def _note(self, attempt: int) -> None:
        """Note which attempt made the checkpoint that is here. Raises OSError."""
        write_text(self._files.attempt, str(attempt))

    def _copy(self) -> None:
        """Copy what is on the disk, unless that was done. Raises OSError."""
        began, checkpoint = time.monotonic(), self._files.checkpoint / NAME
        with self._copying:
            if not self._noted or (stat := checkpoint.stat()).st_ino == self._copied_file:
                return
            # It is replaced on the disk, never written to.
            self._store.put(f"{self._folder}/{self._attempt}.{checkpoint.name}", checkpoint)
            self._copied_file = stat.st_ino
            self._copied_at = time.monotonic()
            log.info("checkpoint_copied", bytes=stat.st_size, seconds=round(time.monotonic() - began, 1))
            for name in self._store.names(self._folder):
                number = name.partition(".")[0]
                if number.isdecimal() and int(number) < self._attempt:
                    self._store.remove(f"{self._folder}/{name}")


def remove_leftovers(settings: Settings, client: redis.Redis) -> None:
    """Remove files and copies of trainings that are over or forgotten: another host ended them, or theirs was killed.

    Of the others it removes what was made of a text that was replaced since. Also a model that was saved and never
    entered, because the job was cancelled between the two. Raises redis.RedisError.
    """
    store, here = ModelStore(settings), [folder.name for folder in folder_of_all(settings).glob("*/")]
    try:
        copied = [] if store.is_local else store.names(_FOLDER, "directory")
        for job_id in sorted(filter(is_id, {*here, *copied})):  # others are nobody's of ours
            fields = client.hmget(keys.job(job_id), "job", "state", "model_id")
            data, state, model_id = cast(list[bytes | None], fields)
            if data is not None and state != b"over":
                with contextlib.suppress(ValidationError):  # a damaged record, which ends the training
                    _remove_other_texts(settings, store, TrainJob.model_validate_json(data))
                continue
            made = (model_id or b"").decode()
            if is_id(made) and not client.exists(keys.model(made)):
                store.delete(made)
            if not store.is_local:
                store.remove(f"{_FOLDER}/{job_id}", folder=True)
            if job_id in here:
                JobFiles(settings, job_id).discard()
            log.info("leftovers_removed", job_id=job_id)
    except OSError as error:  # the store is away, or the disk in trouble
        log.warning("leftovers_not_removed", error=str(error))  # the next training looks again


def _remove_other_texts(settings: Settings, store: ModelStore, job: TrainJob) -> None:
    """Remove what was made of a text that the training no longer has. Raises StoreAway."""
    JobFiles(settings, job.job_id).discard_other_texts(job)
    copies = f"{_FOLDER}/{job.job_id}"
    for name in () if store.is_local else store.names(copies, "directory"):
        if name != text_folder(job):
            store.remove(f"{copies}/{name}", folder=True)
