"""Where the files of a training lie on this host, and how they are removed."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import redis
import structlog
from pydantic import BaseModel, ConfigDict, ValidationError

from galvanic.checkpoint import write_text
from galvanic.results import CurvePoint
from shared import keys
from shared.events import Finished
from shared.history import Past
from shared.jobs import CorpusInfo
from shared.settings import Settings
from worker.remote import StoreAway
from worker.store import ModelStore

log = structlog.get_logger()


@dataclass(frozen=True)
class JobFiles:
    """Where a job's files lie on this host."""

    folder: Path
    checkpoint: Path  # from which another attempt goes on
    model: Path  # unfinished
    text: Path  # what it learns, unpacked
    learned: Path  # what is known of the text that the checkpoint is of
    made: Path  # there is a whole model, and this is what is left to do (`Made`)
    ended: Path  # the last attempt ended in order, although Redis could not be told
    attempt: Path  # number of the attempt that made the checkpoint (`worker.copies`)

    @classmethod
    def of(cls, settings: Settings, job_id: str) -> JobFiles:
        folder = _root(settings) / job_id
        names = ("checkpoint", "model.safetensors", "text.txt", "learned.json", "made.json", "ended", "attempt")
        return cls(folder, *(folder / name for name in names))

    def discard(self) -> None:
        _remove(self.folder)

    def save_learned(self, info: CorpusInfo) -> None:
        """For the attempt that goes on from the checkpoint.

        Raises OSError when it cannot be written; what was kept before is still there then. Without it a checkpoint is
        worth nothing: nobody would know whose words it learned.
        """
        write_text(self.learned, info.model_dump_json())

    def note_end(self) -> None:
        """Tell the next attempt that this one did not die: it ends in order, and Redis cannot be told."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self.ended.touch()
        except OSError as error:
            log.warning("end_not_noted", error=type(error).__name__)

    def take_end(self) -> bool:
        """Whether the attempt before noted its end; asked once."""
        noted = self.ended.exists()
        self.ended.unlink(missing_ok=True)
        return noted

    def load_learned(self) -> CorpusInfo | None:
        """None: there is nothing, or another version wrote it."""
        try:
            return CorpusInfo.model_validate_json(self.learned.read_bytes())
        except (FileNotFoundError, ValidationError):
            return None


def remove_leftovers(settings: Settings, client: redis.Redis) -> None:
    """Remove the files of jobs that are over or forgotten: another host ended them, or their worker was killed.

    Also a model that was saved and never entered, because the job was cancelled between the two. Raises
    redis.RedisError.
    """
    try:
        folders = [path for path in _root(settings).iterdir() if path.is_dir()]
    except FileNotFoundError:
        folders = []
    for folder in folders:
        fields = cast(list[bytes | None], client.hmget(keys.job(folder.name), "job", "state", "model_id"))
        known, state, model_id = fields
        if known is None or state == b"over":
            try:
                if model_id is not None and not client.exists(keys.model(model_id.decode())):
                    ModelStore(settings).delete(model_id.decode())
            except StoreAway as error:
                log.warning("leftovers_not_removed", job_id=folder.name, error=str(error))
                continue  # the next training looks again
            _remove(folder)
            log.info("leftovers_removed", job_id=folder.name)


def _remove(folder: Path) -> None:
    """As far as possible: members' words may lie in it, so the operator is told of what stays."""
    shutil.rmtree(folder, ignore_errors=True)
    if folder.exists():
        log.error("files_not_removed", folder=str(folder))


def _root(settings: Settings) -> Path:
    return settings.data_dir / "checkpoints"


class Made(BaseModel):
    """What is left to do once a training is through: save the model, register it, and send the end."""

    model_config = ConfigDict(frozen=True)

    finished: Finished  # its record has the wished name
    past: Past
    curve: tuple[CurvePoint, ...]  # of its losses

    def save(self, path: Path) -> None:
        """Write it, whole or not at all; on return it is on the disk. Raises OSError."""
        write_text(path, self.model_dump_json())

    @classmethod
    def load(cls, path: Path) -> Made | None:
        """None: there is nothing, or another version wrote it."""
        try:
            return cls.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            return None
        except ValidationError as error:
            log.warning("made_not_understood", fields=error.error_count())
            return None
