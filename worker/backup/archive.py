"""The backup file: a zip of a description, Redis' keys as `DUMP` gives them, models and checkpoints. Zip's checksums
tell damage; its directory stands at the end, so a file that was cut off has none.
"""

from __future__ import annotations

import json
import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, BinaryIO, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from shared.errors import UserError

FORMAT = 1
DESCRIPTION, RECORDS, TEXTS = "backup.json", "redis/records", "redis/texts"
MODELS, CHECKPOINTS = "models", "checkpoints"
_PART = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}"
_NAME = re.compile(
    rf"{re.escape(DESCRIPTION)}|{RECORDS}|{TEXTS}|{MODELS}/{_PART}\.safetensors|{CHECKPOINTS}(/{_PART}){{2,3}}"
)
_MOST_SMALL = 1_000_000
"""Bytes of the description at most."""
_HEAD = struct.Struct(">IIQ")
"""Before each entry: bytes of its key, bytes of its value, `expires_ms` (0: never)."""

Progress = Callable[[int], None]
"""Is called with the bytes done since the last call."""


class Description(BaseModel):
    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)

    format: int = Field(FORMAT, ge=1)  # a larger number than `FORMAT` is a newer version's
    taken_at: float  # the moment it shows, seconds since the epoch
    version: str
    redis: str  # the server's version
    entries: int = Field(ge=0)
    models: int = Field(ge=0)  # in the registry; fewer files may be in the backup
    trainings: int = Field(ge=0)  # not over


class Entry(NamedTuple):
    key: bytes
    value: bytes  # as `DUMP` gives it
    expires_ms: int | None  # since the epoch; None: never


def write_entries(archive: zipfile.ZipFile, name: str, entries: Iterable[Entry]) -> None:
    with archive.open(name, "w", force_zip64=True) as part:
        for entry in entries:
            part.write(_HEAD.pack(len(entry.key), len(entry.value), entry.expires_ms or 0) + entry.key + entry.value)


class Backup:
    """`bytes`: of all parts, unpacked. `models`, `jobs`: ids of models, and of trainings with a checkpoint, in it."""

    def __init__(self, file: BinaryIO) -> None:
        """Raises UserError: no backup, incomplete, damaged, or a newer version's; OSError: it cannot be read."""
        with _damage_told(_no_backup):
            self._zip = zipfile.ZipFile(file)
            self.description = _described(self._zip)
        parts = self._zip.infolist()
        names = [part.filename for part in parts]
        if not all(map(_NAME.fullmatch, names)) or len(names) != len(set(names)) or not {RECORDS, TEXTS} < set(names):
            raise damaged()
        self.bytes = sum(part.file_size for part in parts)
        self._files = [name for name in names if name.startswith((f"{MODELS}/", f"{CHECKPOINTS}/"))]
        self.models = self._ids(MODELS)
        self.jobs = self._ids(CHECKPOINTS)

    def entries(self, name: str) -> Iterator[Entry]:
        """Raises UserError: the part is damaged, which may show only after its last entry."""
        with _damage_told(damaged), self._zip.open(name) as part:
            while head := part.read(_HEAD.size):
                key_size, size, expires_ms = _HEAD.unpack(head)
                key, value = part.read(key_size), part.read(size)
                if len(key) < key_size or len(value) < size:
                    raise damaged()
                yield Entry(key, value, expires_ms or None)

    def unpack(self, folder: Path, progress: Progress) -> None:
        """Write `models/ID.safetensors` and `checkpoints/ID/...`. Raises UserError: damaged; OSError: not writable."""
        for name in self._files:
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            with _damage_told(damaged), self._zip.open(name) as part, path.open("wb") as file:
                copy(part, file, progress)

    def _ids(self, kind: str) -> set[str]:
        return {name.split("/")[1].partition(".")[0] for name in self._files if name.startswith(f"{kind}/")}


def copy(source: IO[bytes], target: IO[bytes], progress: Progress) -> None:
    while piece := source.read(1 << 20):
        target.write(piece)
        progress(len(piece))


def damaged() -> UserError:
    return UserError(
        "This backup is damaged: its checksums don't match.", "Take another one, or copy the file here once more."
    )


def _no_backup() -> UserError:
    return UserError(
        "This file is no backup of Galvanic, or not the whole of one.",
        "Give one that `backup` made, or copy it here once more.",
    )


@contextmanager
def _damage_told(told: Callable[[], UserError]) -> Iterator[None]:
    try:
        yield
    except (zipfile.BadZipFile, zlib.error, struct.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise told() from error


def _described(archive: zipfile.ZipFile) -> Description:
    """Raises UserError: there is no description, or a newer version wrote it."""
    try:
        with archive.open(DESCRIPTION) as part:
            found = json.loads(part.read(_MOST_SMALL))
        if found["format"] > FORMAT:
            raise UserError(
                "This backup was made by a newer version of Galvanic.", "Update this installation, then restore."
            )
        return Description.model_validate(found)
    except (KeyError, TypeError, ValueError) as error:
        raise _no_backup() from error
