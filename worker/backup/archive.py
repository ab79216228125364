"""The backup file: a zip of a description, Redis' keys as `DUMP` gives them, models and checkpoints. Zip's checksums
tell damage; its directory stands at the end, so a file that was cut off has none.
"""

from __future__ import annotations

import json
import re
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple

from pydantic import BaseModel, Field

from galvanic.errors import UserError
from shared import keys

FORMAT = 1
DESCRIPTION, REDIS, MODELS, CHECKPOINTS = "backup.json", "redis", "models", "checkpoints"
_PART = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}"
_MODEL = r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}"  # as of `worker.store`
_NAME = re.compile(rf"{re.escape(DESCRIPTION)}|{REDIS}|{MODELS}/{_MODEL}\.safetensors|{CHECKPOINTS}(/{_PART}){{2,3}}")
_MOST_SMALL = 1_000_000
"""Bytes of the description at most."""
_HEAD = struct.Struct(">IIQ")
"""Before each entry: bytes of its key, bytes of its value, `expires_ms` (0: None)."""

_KEPT = {
    *(keys.OUTBOX, keys.FORGOTTEN, keys.ACTIVE, keys.SERVED, keys.HISTORY, keys.DELETING, keys.STALE, keys.WITHDRAWALS),
    *(keys.LEARNING, keys.TRANSCRIPTS),
}
_KEPT_BEGIN = (
    *(keys.job(""), keys.corpus(""), keys.transcript(""), keys.model(""), keys.shown(""), keys.requests("")),
    *(keys.asked(""), keys.ownership("")),
    *("guild:", "channel:"),
)
_LEASE = re.compile(r"job:[^:]+:lease")


def is_kept(key: bytes) -> bool:
    """Whether a key must be known after a restore: nothing that only lives, nor Celery's messages, is in a backup.

    Then nobody waits to be notified, and trainings that ran wait again: the bot sends what waits.
    """
    name = key.decode("utf-8", errors="replace")
    return name in _KEPT or (name.startswith(_KEPT_BEGIN) and not _LEASE.fullmatch(name))


class Description(BaseModel, extra="ignore", hide_input_in_errors=True):
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
    expires_ms: int | None  # since the epoch; None: never, or as late as if it were new (a text that a training needs)

    @property
    def model_id(self) -> str:
        """Of the model that it is the record of; empty: it is of something else."""
        prefix, _, rest = self.key.decode("utf-8", errors="replace").partition(":")
        return rest if f"{prefix}:" == keys.model("") else ""


def write_entries(archive: zipfile.ZipFile, entries: Iterable[Entry]) -> None:
    with archive.open(REDIS, "w", force_zip64=True) as part:
        for entry in entries:
            part.write(_HEAD.pack(len(entry.key), len(entry.value), entry.expires_ms or 0) + entry.key + entry.value)


class Backup:
    """`bytes`: of all parts, unpacked. `models`, `jobs`: ids of models, and of trainings with a checkpoint, in it."""

    def __init__(self, file: BinaryIO) -> None:
        """Raises UserError: no backup, incomplete, damaged, or a newer version's; OSError: it cannot be read."""
        with _damage_told(_no_backup()):
            self._zip = zipfile.ZipFile(file)
            if any(part.compress_type != zipfile.ZIP_STORED for part in self._zip.infolist()):
                raise _no_backup()  # `backup` packs nothing; what is packed may have no room unpacked
            self.description = _described(self._zip)
        names = self._zip.namelist()
        if not all(map(_NAME.fullmatch, names)) or len(names) != len(set(names)) or REDIS not in names:
            raise damaged()
        self.bytes = sum(part.file_size for part in self._zip.infolist())
        self._files = [name for name in names if "/" in name]
        self.models = {Path(name).stem for name in self._files if name.startswith(f"{MODELS}/")}
        self.jobs = {name.split("/")[1] for name in self._files if name.startswith(f"{CHECKPOINTS}/")}

    def entries(self) -> Iterator[Entry]:
        """Raises UserError: the part is damaged, which may show only after its last entry."""
        with _damage_told(damaged()), self._zip.open(REDIS) as part:
            while head := part.read(_HEAD.size):
                key_size, size, expires_ms = _HEAD.unpack(head)
                key, value = part.read(key_size), part.read(size)
                if len(value) < size or not is_kept(key):
                    raise damaged()
                yield Entry(key, value, expires_ms or None)

    def unpack(self, folder: Path) -> None:
        """Write `models/ID.safetensors` and `checkpoints/ID/...`. Raises UserError: damaged; OSError: not writable."""
        with _damage_told(damaged()):
            for name in self._files:  # of which all have been looked at
                self._zip.extract(name, folder)


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
def _damage_told(told: UserError) -> Iterator[None]:
    try:
        yield
    except (zipfile.BadZipFile, zlib.error, struct.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise told from error


def _described(archive: zipfile.ZipFile) -> Description:
    """Raises UserError: there is no description, or a newer version wrote it."""
    try:
        with archive.open(DESCRIPTION) as part:
            found = json.loads(part.read(_MOST_SMALL))
        if found["format"] > FORMAT:
            raise UserError("This backup was made by a newer version of Galvanic.", "Update this one, then restore.")
        return Description.model_validate(found)
    except (KeyError, TypeError, ValueError) as error:
        raise _no_backup() from error
