"""A training's checkpoint, arrays in safetensors files, and waiting while the disk is full."""

import errno
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import safetensors
import safetensors.numpy
import structlog

from galvanic.files import replacing
from galvanic.results import Difficulty, Hooks

T = TypeVar("T")
_ASK_EVERY_S = 0.5  # between two questions to the hooks
_ASKS = 10  # between two tries to write
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})

log = structlog.get_logger()


def disk_full(error: OSError) -> Difficulty | None:
    """Return the difficulty if an error says that the disk, or this user's quota, is full; None for other errors."""
    return "disk full" if error.errno in _FULL else None


def when_there_is_room(
    write: Callable[[], T], hooks: Hooks, difficulty: Callable[[OSError], Difficulty | None] = disk_full
) -> T:
    """Write a file that a training needs, and wait while the disk is full; return what `write` returns.

    It waits as long as it takes. To give up would help nobody: the next training finds the same disk, and what this one
    has learned would be lost. `write` must be repeatable. `difficulty` returns why to wait after an error, or None.
    Raises TrainingCancelled or TrainingInterrupted if the hooks ask for it, and OSError after other errors.
    """
    reported: Difficulty | None = None
    while True:
        try:
            written = write()
        except OSError as error:
            reason = difficulty(error)
            if reason is None:
                raise
            if reported != reason:
                log.error(reason.replace(" ", "_"), error=str(error))
                hooks.trouble(reason)
                reported = reason
            for _ in range(_ASKS):
                hooks.go_on()
                time.sleep(_ASK_EVERY_S)
        else:
            if reported:
                hooks.trouble(None)
            return written


Arrays = dict[str, npt.NDArray[Any]]
NAME = "checkpoint.safetensors"
_KEY = "position"


class DamagedCheckpoint(Exception):
    """A checkpoint's file cannot be read."""


def write_file(path: Path, arrays: Arrays, metadata: dict[str, str] | None = None) -> None:
    """Write a safetensors file atomically (`galvanic.files.replacing`)."""
    contiguous = {name: np.ascontiguousarray(array).reshape(array.shape) for name, array in arrays.items()}
    with replacing(path) as partial:
        partial.write_bytes(safetensors.numpy.save(contiguous, metadata))  # `save_file` hides the number of an OSError


def read_arrays(path: Path) -> tuple[Arrays, dict[str, str]]:
    """Read a safetensors file's arrays and metadata. Raises OSError, SafetensorError and others if it is damaged."""
    with safetensors.safe_open(path, framework="numpy") as file:
        return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118  # not a dict


def save(folder: Path, arrays: Arrays, position: dict[str, Any]) -> None:
    """Replace the checkpoint in a folder; the old one stays until the new one is complete. Raises OSError.

    `arrays`: weights, optimiser and random states, by name. `position`: all else, as JSON.
    """
    folder.mkdir(parents=True, exist_ok=True)
    write_file(folder / NAME, arrays, {_KEY: json.dumps(position)})


def load(folder: Path) -> tuple[Arrays, dict[str, Any]] | None:
    """Read the checkpoint in a folder; None if there is none. Raises DamagedCheckpoint; OSError if the disk fails."""
    path = folder / NAME
    if not path.exists():
        return None
    try:
        arrays, metadata = read_arrays(path)
        return arrays, json.loads(metadata[_KEY])
    except (ValueError, KeyError, TypeError, AttributeError, safetensors.SafetensorError) as error:
        raise DamagedCheckpoint(str(error)) from error


def within(arrays: Arrays, group: str) -> Arrays:
    """Return the arrays named `group/...`, without that prefix."""
    prefix = f"{group}/"
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}


def grouped(**groups: Arrays) -> Arrays:
    """Return the arrays of all groups under names `group/...`; undoes `within`."""
    return {f"{group}/{name}": array for group, arrays in groups.items() for name, array in arrays.items()}
