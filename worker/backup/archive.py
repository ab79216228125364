"""The file: a tar of what it is, Redis' part, models, checkpoints, and last of all the checksums of these.

Any tar program unpacks it, and `sha256sum --check SHA256SUMS` checks it then.
"""

from __future__ import annotations

import hashlib
import io
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, BinaryIO, Protocol

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from shared.errors import UserError

FORMAT = 1
DESCRIPTION, STATE, SUMS = "backup.json", "redis.jsonl.gz", "SHA256SUMS"
MODELS, CHECKPOINTS = "models", "checkpoints"
_MOST_SMALL = 100_000_000
"""Bytes of the description, or of the checksums: more is no such thing."""
_CHUNK = 1 << 20
_PART = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}"
_NAME = re.compile(
    rf"{re.escape(DESCRIPTION)}|{re.escape(STATE)}|{SUMS}|{MODELS}/{_PART}/{_PART}|{CHECKPOINTS}/{_PART}(/{_PART}){{1,2}}"
)
_BROKEN = (tarfile.TarError, EOFError, OverflowError, ValueError)


class Description(BaseModel):
    """What a backup is.

    Attributes:
        format: how it is laid out; a larger number than `FORMAT` is a newer version's.
        taken_at: the moment that it shows, seconds since the epoch.
        version: of the product.
        entries: keys of Redis.
        models: that the registry names; fewer may be in it.
        trainings: that were not over.
    """

    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)

    format: int = Field(FORMAT, ge=1)
    taken_at: float
    version: str
    entries: int = Field(ge=0)
    models: int = Field(ge=0)
    trainings: int = Field(ge=0)


class Told(Protocol):
    """Hears how far the work is."""

    def __call__(self, count: int) -> None:
        """So many bytes more are done."""


class Writer:
    """Writes a backup, one part after the other; whole when it leaves its context without an error."""

    def __init__(self, file: IO[bytes], moment: float, told: Told) -> None:
        self._tar = tarfile.open(fileobj=file, mode="w|", format=tarfile.PAX_FORMAT)  # noqa: SIM115  # see `__exit__`
        self._moment = moment
        self._told = told
        self._sums: list[str] = []

    def add(self, name: str, size: int, source: IO[bytes]) -> None:
        """Add a part.

        Raises:
            OSError: the source cannot be read, or has another size; or the backup cannot be written.
        """
        if not _NAME.fullmatch(name):
            raise OSError(f"a file with an unexpected name: {name}")
        reader = _Hashing(source, self._told)
        self._tar.addfile(self._info(name, size), reader)
        self._sums.append(f"{reader.digest}  {name}\n")

    def add_bytes(self, name: str, data: bytes) -> None:
        """Add a part that is at hand."""
        self.add(name, len(data), io.BytesIO(data))

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Add the checksums, without which it is not whole, and close."""
        with self._tar:
            if kind is None:
                data = "".join(self._sums).encode()
                self._tar.addfile(self._info(SUMS, len(data)), io.BytesIO(data))

    def _info(self, name: str, size: int) -> tarfile.TarInfo:
        info = tarfile.TarInfo(name)
        info.size, info.mtime, info.mode = size, int(self._moment), 0o600
        return info


class Reader:
    """A backup that is whole: everything in it was read once, and is as it was written.

    Attributes:
        description: what it is.
        sizes: bytes of each part, by name.
        models, jobs: ids of the models, and of the trainings with a checkpoint, that are in it.
    """

    def __init__(self, file: BinaryIO, told: Told) -> None:
        """Check it.

        Raises:
            UserError: it is no backup, a newer version's, or damaged.
            OSError: it cannot be read.
        """
        self._file = file
        self.sizes: dict[str, int] = {}
        try:
            self.description = self._check(told)
        except _BROKEN as error:
            raise (damaged() if self.sizes else _no_backup()) from error
        self.models = self._ids(MODELS)
        self.jobs = self._ids(CHECKPOINTS)

    def _check(self, told: Told) -> Description:
        found: dict[str, str] = {}
        description = sums = None
        with self._open() as tar:
            for member in tar:
                name = member.name
                if not self.sizes and name != DESCRIPTION:
                    raise _no_backup()
                if not member.isreg() or not _NAME.fullmatch(name) or name in self.sizes or sums is not None:
                    raise damaged()
                self.sizes[name] = member.size
                source = tar.extractfile(member)
                assert source is not None  # of a regular file there is one
                if name in (DESCRIPTION, SUMS):
                    if member.size > _MOST_SMALL:
                        raise damaged()
                    data = source.read()
                    found[name] = hashlib.sha256(data).hexdigest()
                    if name == SUMS:
                        sums = data.decode()
                    else:
                        description = _described(data)
                    continue
                reader = _Hashing(source, told)
                while reader.read(_CHUNK):
                    pass
                found[name] = reader.digest
        if description is None:
            raise _no_backup()
        del self.sizes[DESCRIPTION]
        if sums is None:
            raise UserError(
                "This backup is not whole: it ends too early.", "Take another one, or copy the file here once more."
            )
        del self.sizes[SUMS], found[SUMS]
        if "".join(f"{digest}  {name}\n" for name, digest in found.items()) != sums or STATE not in self.sizes:
            raise damaged()
        return description

    def state(self) -> tuple[tarfile.TarFile, IO[bytes]]:
        """Redis' part, and what is to be closed after it."""
        tar = self._open()
        source = tar.extractfile(STATE)
        assert source is not None  # it was there when it was checked
        return tar, source

    def unpack(self, folder: Path, told: Told) -> Iterator[Path]:
        """Unpack models and checkpoints, one after the other.

        Args:
            folder: where.
            told: hears of it.

        Yields:
            `models/ID` or `checkpoints/ID` within it, when all of that is there.

        Raises:
            OSError: it cannot be written.
        """
        before: Path | None = None
        with self._open() as tar:
            for member in tar:
                parts = member.name.split("/")
                if len(parts) < 3:
                    continue
                place = folder / parts[0] / parts[1]
                if before is not None and before != place:
                    yield before
                before = place
                tar.extract(member, folder, filter="data")
                told(member.size)
        if before is not None:
            yield before

    def _ids(self, kind: str) -> set[str]:
        return {name.split("/")[1] for name in self.sizes if name.startswith(f"{kind}/")}

    def _open(self) -> tarfile.TarFile:
        self._file.seek(0)
        return tarfile.open(fileobj=self._file, mode="r:")


class _Hashing(io.RawIOBase):
    """Reads from another file, and knows the checksum of what was read."""

    def __init__(self, source: IO[bytes], told: Told) -> None:
        self._source = source
        self._told = told
        self._hash = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        """See `io.RawIOBase.read`."""
        data = self._source.read(size)
        self._hash.update(data)
        self._told(len(data))
        return data

    @property
    def digest(self) -> str:
        return self._hash.hexdigest()


def _described(data: bytes) -> Description:
    """What `backup.json` says.

    Raises:
        UserError: another version wrote it.
    """
    try:
        description = Description.model_validate_json(data)
    except ValidationError as error:
        raise (_newer("") if _format_of(data) > FORMAT else _no_backup()) from error
    if description.format > FORMAT:
        raise _newer(f" ({description.version})")
    return description


class _AnyFormat(BaseModel):
    model_config = ConfigDict(extra="ignore")

    format: int


def _format_of(data: bytes) -> int:
    try:
        return _AnyFormat.model_validate_json(data).format
    except ValidationError:
        return 0


def _newer(version: str) -> UserError:
    return UserError(
        f"This backup was made by a newer version of Galvanic{version}.", "Update this installation, then restore."
    )


def _no_backup() -> UserError:
    return UserError("This file is no backup of Galvanic.", "Give one that `backup` made.")


def damaged() -> UserError:
    """The file is not what was written."""
    return UserError(
        "This backup is damaged: its checksums don't match.", "Take another one, or copy the file here once more."
    )
