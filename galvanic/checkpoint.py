"""A training's checkpoint, and arrays in files; and waiting while the disk is full."""

from __future__ import annotations

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
AGAIN_S = 5.0
_ASK_EVERY_S = 0.5
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})

log = structlog.get_logger()


def disk_full(error: OSError) -> Difficulty | None:
    """Where the disk, or what this user may have of it, is full: that can be waited out. Else None."""
    return "disk full" if error.errno in _FULL else None


def when_there_is_room(
    write: Callable[[], T], hooks: Hooks, difficulty: Callable[[OSError], Difficulty | None] = disk_full
) -> T:
    """Write something without which a training cannot go on, and wait while the disk is full.

    As long as it takes: to give up would help nobody, since the training that comes next finds the same disk, and what
    this one has learned would be lost. `write` can be called again; `difficulty`: what can be waited out. Raises
    TrainingCancelled or TrainingInterrupted if `hooks` say so, and OSError where something else is wrong.
    """
    told: Difficulty | None = None
    while True:
        try:
            written = write()
        except OSError as error:
            what = difficulty(error)
            if what is None:
                raise
            if told != what:
                log.error(what.replace(" ", "_"), error=str(error))
                hooks.trouble(what)
                told = what
            _wait(hooks)
        else:
            if told:
                hooks.trouble(None)
            return written


def _wait(hooks: Hooks) -> None:
    until = time.monotonic() + AGAIN_S
    while time.monotonic() < until:
        hooks.go_on()
        time.sleep(_ASK_EVERY_S)


Arrays = dict[str, npt.NDArray[Any]]
NAME = "checkpoint.safetensors"
_KEY = "position"


class DamagedCheckpoint(Exception):
    """The file cannot be read."""


def write_file(path: Path, arrays: Arrays, metadata: dict[str, str] | None = None) -> None:
    """Write a safetensors file as `replacing`."""
    contiguous = {name: np.ascontiguousarray(array).reshape(array.shape) for name, array in arrays.items()}
    with replacing(path) as partial:
        partial.write_bytes(safetensors.numpy.save(contiguous, metadata))  # `save_file` does not say which error it was


def read_arrays(path: Path) -> tuple[Arrays, dict[str, str]]:
    """A safetensors file's arrays and metadata. Raises OSError, SafetensorError and others where it is none."""
    with safetensors.safe_open(path, framework="numpy") as file:
        return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118  # not a dict


def save(folder: Path, arrays: Arrays, position: dict[str, Any]) -> None:
    """Replace the checkpoint of this folder; the old one stays until the new one is whole. Raises OSError.

    `arrays`: weights, optimiser and random states, by name. `position`: everything else, as JSON.
    """
    folder.mkdir(parents=True, exist_ok=True)
    write_file(folder / NAME, arrays, {_KEY: json.dumps(position)})


def load(folder: Path) -> tuple[Arrays, dict[str, Any]] | None:
    """None where there is no checkpoint. Raises DamagedCheckpoint where it is none; OSError: the disk has trouble."""
    path = folder / NAME
    if not path.exists():
        return None
    try:
        arrays, metadata = read_arrays(path)
        return arrays, json.loads(metadata[_KEY])
    except (ValueError, KeyError, TypeError, AttributeError, safetensors.SafetensorError) as error:
        raise DamagedCheckpoint(str(error)) from error


def within(arrays: Arrays, group: str) -> Arrays:
    """The arrays named `group/...`, without that prefix."""
    prefix = f"{group}/"
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}


def grouped(**groups: Arrays) -> Arrays:
    """The opposite of `within`."""
    return {f"{group}/{name}": array for group, arrays in groups.items() for name, array in arrays.items()}
