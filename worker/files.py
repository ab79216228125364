"""Where the files of a training lie on this host, and how they are removed."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path
from typing import TypeVar

import structlog
from pydantic import BaseModel, ConfigDict, ValidationError

from galvanic.checkpoint import NAME
from galvanic.results import CurvePoint
from shared.events import Finished
from shared.jobs import TrainJob, is_id
from shared.settings import Settings

log = structlog.get_logger()
R = TypeVar("R", bound=BaseModel)


def folder_of_all(settings: Settings) -> Path:
    """Return the folder in which each job that has files on this host has a folder of its id."""
    return settings.data_dir / "checkpoints"


class Made(BaseModel):
    """What is left to do once a training is through: save the model, register it, and send the end."""

    model_config = ConfigDict(frozen=True)

    finished: Finished  # its record has the wished name
    curve: tuple[CurvePoint, ...]  # of its losses


class JobFiles:
    """The folder of a job. Raises ValueError if `job_id` is no id, since it could be a path."""

    def __init__(self, settings: Settings, job_id: str) -> None:
        if not is_id(job_id):
            raise ValueError("not the id of a job")
        self.folder = folder_of_all(settings) / job_id
        self._ended = self.folder / "ended"  # the last attempt ended in order, although Redis could not be told

    def of(self, job: TrainJob) -> TextFiles:
        """Return the files of the text that the job has now."""
        return TextFiles(self.folder / text_folder(job))

    def discard(self) -> None:
        """Remove all."""
        remove_folder(self.folder)

    def discard_other_texts(self, job: TrainJob) -> None:
        """Remove what was made of a text that the job no longer has."""
        for folder in self.folder.glob("*/"):
            if folder.name != text_folder(job):
                remove_folder(folder)

    def note_end(self) -> None:
        """Tell the next attempt that this one did not die: it ends in order, and Redis cannot be told."""
        with contextlib.suppress(OSError):  # the disk is full: it counts as a death
            self.folder.mkdir(parents=True, exist_ok=True)
            self._ended.touch()

    def take_end(self) -> bool:
        """Return whether the attempt before noted its end; asked once."""
        noted = False
        with contextlib.suppress(OSError):  # the disk is in trouble, which the attempt will tell
            noted = self._ended.exists()
            self._ended.unlink(missing_ok=True)
        return noted


class TextFiles:
    """What a training has on this host that was made of one text.

    So when words are withdrawn and the training gets another text, no attempt goes on from what was made of the first
    one, and an attempt that does not know it yet spoils nothing.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.checkpoint = folder / "checkpoint"  # from which another attempt goes on
        self.model = folder / "model.safetensors"  # unfinished
        self.text = folder / "text.txt"  # what it learns, unpacked
        self.made = folder / "made.json"  # there is a whole model, and this is what is left to do (`Made`)
        self.attempt = folder / "attempt"  # number of the attempt that made the checkpoint (`worker.copies`)

    def discard(self) -> None:
        """Remove all."""
        remove_folder(self.folder)

    @property
    def has_checkpoint(self) -> bool:
        """Return whether there is a checkpoint; True also where the disk is in trouble, and does not tell."""
        try:
            return (self.checkpoint / NAME).exists()
        except OSError:
            return True


def text_folder(job: TrainJob) -> str:
    """Return the name of the folder for a job's text. Raises ValueError if its hash is none: it could be a path."""
    name = job.corpus.sha256 or "text"
    if not is_id(name):
        raise ValueError("not the hash of a text")
    return name


def remove_folder(folder: Path) -> None:
    """Remove a folder as far as possible: members' words may lie in it, so the operator is told of what stays."""
    shutil.rmtree(folder, ignore_errors=True)
    if folder.exists():
        log.error("files_not_removed", folder=str(folder))


def read(path: Path, kind: type[R]) -> R | None:
    """Read a record that was written as JSON; None: there is nothing, or it is damaged."""
    try:
        return kind.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError as error:
        log.warning("file_not_understood", name=path.name, fields=error.error_count())
        return None
