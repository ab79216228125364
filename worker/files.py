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
from shared.jobs import is_id
from shared.settings import Settings

log = structlog.get_logger()
R = TypeVar("R", bound=BaseModel)


def folder_of_all(settings: Settings) -> Path:
    """In it each job that has files on this host has a folder of its id."""
    return settings.data_dir / "checkpoints"


class Made(BaseModel):
    """What is left to do once a training is through: save the model, register it, and send the end."""

    model_config = ConfigDict(frozen=True)

    finished: Finished  # its record has the wished name
    curve: tuple[CurvePoint, ...]  # of its losses


class JobFiles:
    def __init__(self, settings: Settings, job_id: str) -> None:
        """Name the files of a job. Raises ValueError if `job_id` is no id, since it could be a path."""
        if not is_id(job_id):
            raise ValueError("not the id of a job")
        self.folder = folder = folder_of_all(settings) / job_id
        self.checkpoint = folder / "checkpoint"  # from which another attempt goes on
        self.model = folder / "model.safetensors"  # unfinished
        self.text = folder / "text.txt"  # what it learns, unpacked
        self.learned = folder / "learned.json"  # what is known of the text that the checkpoint is of (`CorpusInfo`)
        self.made = folder / "made.json"  # there is a whole model, and this is what is left to do (`Made`)
        self.ended = folder / "ended"  # the last attempt ended in order, although Redis could not be told
        self.attempt = folder / "attempt"  # number of the attempt that made the checkpoint (`worker.copies`)

    def discard(self) -> None:
        """As far as possible: members' words may lie in it, so the operator is told of what stays."""
        shutil.rmtree(self.folder, ignore_errors=True)
        if self.folder.exists():
            log.error("files_not_removed", folder=str(self.folder))

    def note_end(self) -> None:
        """Tell the next attempt that this one did not die: it ends in order, and Redis cannot be told."""
        with contextlib.suppress(OSError):  # the disk is full: it counts as a death
            self.folder.mkdir(parents=True, exist_ok=True)
            self.ended.touch()

    def take_end(self) -> bool:
        """Whether the attempt before noted its end; asked once."""
        noted = False
        with contextlib.suppress(OSError):  # the disk is in trouble, which the attempt will tell
            noted = self.ended.exists()
            self.ended.unlink(missing_ok=True)
        return noted

    @property
    def has_checkpoint(self) -> bool:
        """Also where the disk is in trouble, and does not tell."""
        try:
            return (self.checkpoint / NAME).exists()
        except OSError:
            return True


def read(path: Path, kind: type[R]) -> R | None:
    """A record that was written as JSON; None: there is nothing, or it is damaged."""
    try:
        return kind.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError as error:
        log.warning("file_not_understood", name=path.name, fields=error.error_count())
        return None
