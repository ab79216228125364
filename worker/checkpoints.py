"""The files of trainings on this host, and copies of checkpoints in a remote store for a host that has to take over.

All that was made of a text lies in a folder of the text's hash, in the folder of the job. When words are withdrawn, a
training gets another text. Then no attempt goes on from what was made of the first one, and an attempt that does not
know it yet spoils nothing.
"""

import contextlib
import contextvars
import math
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import redis
import structlog
from pydantic import BaseModel, ConfigDict, ValidationError

from galvanic.checkpoint import NAME
from galvanic.files import write_text
from galvanic.results import CurvePoint
from shared import keys
from shared.events import Finished
from shared.jobs import TrainJob, is_id
from shared.settings import Settings
from worker.store import ModelStore

COPY_EVERY_S = 180.0  # between two copies of a checkpoint into a remote store
_FOLDER = "checkpoints"  # of all jobs, in the data folder, and for their copies in the store

log = structlog.get_logger()


class FinishedTraining(BaseModel):
    """The rest of a finished training: its model is to be saved and registered, and its end sent."""

    model_config = ConfigDict(frozen=True)

    event: Finished  # its model has the wished name
    curve: tuple[CurvePoint, ...]  # of its losses


class TextFiles:
    """The files on this host that a training made of the text that it has now."""

    def __init__(self, settings: Settings, job: TrainJob) -> None:
        self.folder = folder = job_folder(settings, job.job_id) / text_folder(job)
        self.checkpoint = folder / NAME  # from which another attempt goes on
        self.attempt = folder / "attempt"  # number of the attempt that made it
        self.model = folder / "model.safetensors"  # unfinished
        self.text = folder / "text.txt"  # unpacked
        self.parent = folder / "parent.safetensors"  # a copy of the model that it goes on from
        self.finished = folder / "finished.json"  # the model is finished, and this is left to do (`FinishedTraining`)

    @property
    def has_checkpoint(self) -> bool:
        """Return whether there is a checkpoint; True also where the disk is in trouble, and does not tell."""
        try:
            return self.checkpoint.exists()
        except OSError:
            return True


def job_folder(settings: Settings, job_id: str) -> Path:
    """Return the folder of a job's files on this host. Raises ValueError if the id is none: it could be a path."""
    if not is_id(job_id):
        raise ValueError("not the id of a job")
    return settings.data_dir / _FOLDER / job_id


def text_folder(job: TrainJob) -> str:
    """Return the name of the folder for a job's text. Raises ValueError if its hash is none: it could be a path."""
    if not is_id(job.corpus.sha256):
        raise ValueError("not the hash of a text")
    return job.corpus.sha256


def read_finished(path: Path) -> FinishedTraining | None:
    """Read what is left to do of a training; None: it is not finished, or the file is damaged."""
    try:
        return FinishedTraining.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError as error:
        log.warning("file_not_understood", name=path.name, fields=error.error_count())
        return None


class CheckpointCopies:
    """Copies a training's checkpoint into a remote store now and then; a local store is on this host's disk, too.

    It copies what is on the disk already, so no step waits.
    """

    def __init__(self, store: ModelStore, job: TrainJob, files: TextFiles, attempt: int) -> None:
        self._store = store
        self._files = files
        self._attempt = attempt
        self._name = f"{_FOLDER}/{job.job_id}/{text_folder(job)}/{NAME}"
        self._noted = False
        self._uncopied = False
        self._copied_at = -math.inf
        self._copying = threading.Lock()

    def saved(self) -> None:
        """Note that a checkpoint is on the disk, and begin to copy it if the last copy is old."""
        if self._store.is_local:
            return
        self._uncopied = True
        if not self._noted:
            with contextlib.suppress(OSError):  # the disk is full: noted with a later one
                write_text(self._files.attempt, str(self._attempt))
                self._noted = True
        if time.monotonic() - self._copied_at >= COPY_EVERY_S and not self._copying.locked():
            run = contextvars.copy_context().run
            threading.Thread(target=run, args=(self.complete,), name="checkpoint-copy", daemon=True).start()

    def complete(self) -> None:
        """Copy the last checkpoint, if the store does not have it: the next attempt may be on another host."""
        with self._copying:
            if not self._noted or not self._uncopied:
                return
            began = time.monotonic()
            self._uncopied = False
            try:
                self._store.put(self._name, self._files.checkpoint)
            except OSError as error:
                self._uncopied = True
                log.warning("checkpoint_not_copied", error=str(error))
                return
            self._copied_at = time.monotonic()
            log.info("checkpoint_copied", seconds=round(self._copied_at - began, 1))

    def stop(self) -> None:
        """Make no copy any more, and wait for one that is being made."""
        with self._copying:
            self._noted = False

    def bring(self) -> None:
        """Replace this host's checkpoint with the copy, unless the attempt before this one was here.

        Raises StoreAway, or OSError when it cannot be written here.
        """
        files = self._files
        if self._store.is_local or self._attempt <= 1 or files.finished.exists():
            return  # a first attempt need not wait for a store that is away
        with contextlib.suppress(OSError, ValueError):
            if files.checkpoint.exists() and int(files.attempt.read_text("ascii")) == self._attempt - 1:
                write_text(files.attempt, str(self._attempt))  # the next one may end before it saves
                return
        files.folder.mkdir(parents=True, exist_ok=True)
        copy = files.folder / "copy"
        with contextlib.suppress(FileNotFoundError):  # there is none
            self._store.get(self._name, copy)
            copy.replace(files.checkpoint)
            log.info("checkpoint_brought")


def remove_leftovers(settings: Settings, client: redis.Redis, job_id: str | None = None) -> None:
    """Remove files and copies that trainings do not need any more; `job_id`: those of this one alone.

    Of a training that is over or forgotten nothing is needed: another host ended it, or its own was killed. Of the
    others nothing that was made of a text that was replaced since. What Redis, the store or the disk keeps from going
    is left to the next call.
    """
    store = ModelStore(settings)
    try:
        for each_id in _job_ids(settings, store) if job_id is None else (job_id,):
            try:
                _remove_of(settings, client, store, each_id)
            except (OSError, redis.ResponseError) as error:  # the others' files go all the same
                log.warning("leftovers_not_removed", job_id=each_id, error=type(error).__name__)
    except (OSError, redis.RedisError) as error:
        log.warning("leftovers_not_removed", error=type(error).__name__)


def _job_ids(settings: Settings, store: ModelStore) -> Iterator[str]:
    """Yield the jobs with files on this host, then those with only copies. Raises OSError if the store is away."""
    local = {folder.name for folder in (settings.data_dir / _FOLDER).glob("*/")}
    yield from filter(is_id, local)
    yield from filter(is_id, {*store.names(_FOLDER, "directory")} - local)


def _remove_of(settings: Settings, client: redis.Redis, store: ModelStore, job_id: str) -> None:
    """Remove what a training does not need any more, also a model that was saved and never entered.

    Members' words on this host go first, for the store may be away; the job's folder, by which the rest is found again,
    goes last. Raises OSError or redis.RedisError.
    """
    fields = client.hmget(keys.job(job_id), "job", "state", "model_id")
    data, state, model_id = cast(list[bytes | None], fields)
    folder, copies, current = job_folder(settings, job_id), f"{_FOLDER}/{job_id}", ""
    if data is not None and state != b"over":
        try:
            current = text_folder(TrainJob.model_validate_json(data))
        except ValueError:  # a damaged record, which ends the training
            return
    for text in folder.glob("*/"):
        if text.name != current:
            _remove_folder(text)
    if current:
        for name in store.names(copies, "directory"):
            if name != current:
                store.remove_folder(f"{copies}/{name}")
        return
    entered = (model_id or b"").decode(errors="replace")
    if is_id(entered) and not client.exists(keys.model(entered)):
        store.delete(entered)
    store.remove_folder(copies)
    _remove_folder(folder)
    log.info("leftovers_removed", job_id=job_id)


def _remove_folder(folder: Path) -> None:
    """Remove a folder as far as possible: members' words may lie in it, so the operator is told of what stays."""
    shutil.rmtree(folder, ignore_errors=True)
    if folder.exists():
        log.error("files_not_removed", folder=str(folder))
