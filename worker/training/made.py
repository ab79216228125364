"""A model that is whole, and what is to be told of it, on disk: a worker that dies then makes nothing twice."""

from __future__ import annotations

from pathlib import Path

import structlog
from pydantic import BaseModel, ConfigDict, ValidationError

from galvanic.checkpoint import write_text
from galvanic.results import CurvePoint
from shared.events import Finished
from shared.history import Past

log = structlog.get_logger()


class Made(BaseModel):
    """What is left to do once a training is through: save the model, register it, and tell.

    Attributes:
        finished: the event, whose record has the name wished for.
        past: what to note of the training.
        curve: of its losses.
    """

    model_config = ConfigDict(frozen=True)

    finished: Finished
    past: Past
    curve: tuple[CurvePoint, ...]

    def save(self, path: Path) -> None:
        """Write it, whole or not at all; on return it is on the disk.

        Raises:
            OSError: it cannot be written.
        """
        write_text(path, self.model_dump_json())

    @classmethod
    def load(cls, path: Path) -> Made | None:
        """What `save` wrote; None when there is nothing, or another version wrote it."""
        try:
            return cls.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            return None
        except ValidationError as error:
            log.warning("made_not_understood", fields=error.error_count())
            return None
