"""A training's state on disk: one file, replaced whole, that a power cut leaves either old or new."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import safetensors
import safetensors.numpy

from galvanic.room import told_by_system

Arrays = dict[str, npt.NDArray[Any]]
NAME = "checkpoint.safetensors"
_KEY = "position"


class DamagedCheckpoint(Exception):
    """The file cannot be read."""


def write_file(path: Path, arrays: Arrays, metadata: dict[str, str] | None = None) -> None:
    """Write a safetensors file, whole or not at all; on return it is on the disk.

    Raises:
        OSError: it cannot be written; nothing of it is left then.
    """
    partial = path.with_name(f".{path.name}.partial")
    contiguous = {name: np.ascontiguousarray(array).reshape(array.shape) for name, array in arrays.items()}
    try:
        with told_by_system():
            safetensors.numpy.save_file(contiguous, partial, metadata=metadata)
        with partial.open("rb+") as file:
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError:
        partial.unlink(missing_ok=True)  # half a file must not take what room there is
        raise
    sync_folder(path.parent)


def write_text(path: Path, text: str) -> None:
    """As `write_file`, a text in UTF-8.

    Raises:
        OSError: it cannot be written; what was there before still is then.
    """
    partial = path.with_name(f".{path.name}.partial")
    try:
        with partial.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError:
        partial.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Bring a folder's entries to the disk, where the system can (Windows cannot)."""
    with contextlib.suppress(PermissionError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def save(folder: Path, arrays: Arrays, position: dict[str, Any]) -> None:
    """Replace the checkpoint of this folder; the old one stays until the new one is whole.

    Args:
        arrays: weights, optimiser and random states, by name.
        position: everything else, as JSON.

    Raises:
        OSError: it cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    write_file(folder / NAME, arrays, {_KEY: json.dumps(position)})


def load(folder: Path) -> tuple[Arrays, dict[str, Any]] | None:
    """The checkpoint of this folder, None if there is none.

    Raises:
        DamagedCheckpoint: there is one and it cannot be read.
    """
    path = folder / NAME
    if not path.exists():
        return None
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            position = json.loads((file.metadata() or {})[_KEY])
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # not a dict
    except (OSError, ValueError, KeyError, TypeError, safetensors.SafetensorError) as error:
        raise DamagedCheckpoint(str(error)) from error
    return arrays, position


def within(arrays: Arrays, group: str) -> Arrays:
    """The arrays named `group/...`, without that prefix."""
    prefix = f"{group}/"
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}


def grouped(**groups: Arrays) -> Arrays:
    """The opposite of `within`."""
    return {f"{group}/{name}": array for group, arrays in groups.items() for name, array in arrays.items()}
