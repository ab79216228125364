"""The file: a zip of what it is, Redis' entries as `DUMP` gives them, models, and checkpoints. Any unzip program checks
it: each part has a checksum, and the list of all parts stands last, so one that was cut off has none.
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
"""Bytes of the description: more is no such thing."""
_HEAD = struct.Struct(">IIQ")
"""Before each entry: bytes of its key, bytes of its value, and when it expires (see `Entry`; 0: never)."""

Progress = Callable[[int], None]
"""Hears that so many bytes more are done."""


class Description(BaseModel):
    """What a backup is.

    Attributes:
        format: how it is laid out; a larger number than `FORMAT` is a newer version's.
        taken_at: the moment that it shows, seconds since the epoch.
        version: of the product.
        redis: version of the server whose entries these are.
        entries: keys of Redis.
        models: that the registry names; fewer may be in it.
        trainings: that were not over.
    """

    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)

    format: int = Field(FORMAT, ge=1)
    taken_at: float
    version: str
    redis: str
    entries: int = Field(ge=0)
    models: int = Field(ge=0)
    trainings: int = Field(ge=0)


class Entry(NamedTuple):
    """One key of Redis: its name, what `DUMP` gives for it, and when it is to go: milliseconds since the epoch, or
    None for never.
    """

    key: bytes
    value: bytes
    expires_ms: int | None


def write_entries(archive: zipfile.ZipFile, name: str, entries: Iterable[Entry]) -> None:
    """Add a part with entries."""
    with archive.open(name, "w", force_zip64=True) as part:
        for entry in entries:
            part.write(_HEAD.pack(len(entry.key), len(entry.value), entry.expires_ms or 0) + entry.key + entry.value)


class Backup:
    """A backup to be read.

    Attributes:
        description: what it is.
        bytes: of all that is in it.
        models, jobs: ids of the models, and of the trainings with a checkpoint, that are in it.
    """

    def __init__(self, file: BinaryIO) -> None:
        """Look at what it says of itself.

        Raises:
            UserError: it is no backup, not all of one, a newer version's, or has what none has.
            OSError: it cannot be read.
        """
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
        """A part with entries.

        Raises:
            UserError: it is damaged, which may be told only after the last of them.
        """
        with _damage_told(damaged), self._zip.open(name) as part:
            while head := part.read(_HEAD.size):
                key_size, size, expires_ms = _HEAD.unpack(head)
                key, value = part.read(key_size), part.read(size)
                if len(key) < key_size or len(value) < size:
                    raise damaged()
                yield Entry(key, value, expires_ms or None)

    def unpack(self, folder: Path, progress: Progress) -> None:
        """Unpack models and checkpoints, as `models/ID.safetensors` and `checkpoints/ID/...` of a folder.

        Raises:
            UserError: one is damaged.
            OSError: it cannot be written.
        """
        for name in self._files:
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            with _damage_told(damaged), self._zip.open(name) as part, path.open("wb") as file:
                copy(part, file, progress)

    def _ids(self, kind: str) -> set[str]:
        return {name.split("/")[1].partition(".")[0] for name in self._files if name.startswith(f"{kind}/")}


def copy(source: IO[bytes], target: IO[bytes], progress: Progress) -> None:
    """Copy what is left of a file."""
    while piece := source.read(1 << 20):
        target.write(piece)
        progress(len(piece))


def damaged() -> UserError:
    """The file is not what was written."""
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
    """What `backup.json` says.

    Raises:
        UserError: there is no such thing, or another version wrote it.
    """
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
