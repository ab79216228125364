"""The model store: one file a model, by id, in a local folder or anywhere that fsspec reaches (`s3://`, ...)."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Literal, NamedTuple

import structlog
from fsspec.implementations.local import LocalFileSystem

from galvanic.checkpoint import sync_folder
from galvanic.errors import UserError
from galvanic.model_file import SUFFIX
from galvanic.units import MEGABYTE
from shared.settings import Settings
from worker.cache import PARTIAL, ModelCache
from worker.remote import StoreAway, in_words, open_filesystem

_MODEL_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_PARTIAL_KEPT_S = 24 * 3600.0
"""No write takes as long, on any disk."""
_VERSIONED_BY = ("ETag", "etag", "mtime", "ino", "LastModified", "last_modified", "updated")
"""What tells versions of an object apart, as file systems name it; where none is known, when it was made."""

log = structlog.get_logger()


class _Found(NamedTuple):
    """`version` differs when the content does; `size` is in bytes."""

    version: str
    size: int


class ModelStore:
    """A remote store's models are copied onto this host to be read (`worker.cache`), into `data_dir`.

    `where` is for people, without a password in the address. Raises UserError: nothing here knows such an address. Its
    methods raise StoreAway, an OSError, while a remote store cannot be used.
    """

    def __init__(self, settings: Settings) -> None:
        self._fs, self.where = open_filesystem(settings)
        self.is_local = isinstance(self._fs, LocalFileSystem)
        self.cache = ModelCache(settings.data_dir / "cache" / "models", settings.model_cache_mb * MEGABYTE)

    def save(self, file: Path, model_id: str) -> None:
        """Replace a model in one step, synced to a local store's disk. Raises OSError: nothing of it is left."""
        self.put(_object(model_id), file)

    def take(self, file: Path, model_id: str) -> None:
        """As `save`, but move the file, which on one disk takes no space. Raises OSError: the file is still there."""
        self.put(_object(model_id), file, moved=True)
        file.unlink()

    def has(self, model_id: str) -> bool:
        return self.version(model_id) is not None

    def version(self, model_id: str) -> str | None:
        """Changes when a model is replaced; None: there is no such model."""
        found = self._find(_object(model_id))
        return found.version if found else None

    @contextlib.contextmanager
    def reading(self, model_id: str) -> Iterator[Path]:
        """The file, to be read only; a remote store's copy stays as long as the context.

        While the store is away an earlier copy serves. Raises UserError: no such model; StoreAway: no copy either;
        OSError: no disk space for one.
        """
        name = _object(model_id)
        with contextlib.ExitStack() as kept:
            try:
                found = self._find(name)
                if found is None:
                    self.cache.forget(model_id)
                    raise _missing()
                path = Path(self._path(name))
                if not self.is_local:
                    reading = self.cache.reading(model_id, *found, lambda copy: self.get(name, copy))
                    path = kept.enter_context(reading)
            except FileNotFoundError:  # it was deleted just now
                raise _missing() from None
            except StoreAway as error:
                if (copy := kept.enter_context(self.cache.newest(model_id))) is None:
                    raise
                log.warning("copy_serves", model_id=model_id, error=str(error))
                path = copy
            yield path

    def open(self, model_id: str) -> IO[bytes]:
        """The file as it is now, even if it is deleted while it is read. Raises UserError: no such model; OSError."""
        with self.reading(model_id) as path:
            try:
                return path.open("rb")
            except FileNotFoundError:
                raise _missing() from None

    def ids(self) -> list[str]:
        """Raises OSError: the store cannot be read."""
        found = (name.removesuffix(SUFFIX) for name in self.names("") if name.endswith(SUFFIX))
        return [name for name in found if _MODEL_ID.fullmatch(name)]

    def delete(self, model_id: str) -> None:
        """Remove this host's copy, too; one that is not there is no error. Raises OSError: it cannot be removed."""
        name = _object(model_id)
        self.cache.forget(model_id)
        self.remove(name)

    def tidy(self) -> None:
        """Remove partial files of killed processes: a day old, as younger ones may be in use. Raises OSError."""
        for path in (Path(self.where) if self.is_local else self.cache.folder).glob(f"{PARTIAL}*"):
            with contextlib.suppress(FileNotFoundError):  # another worker is tidying
                stat = path.lstat()
                # A rename changes the ctime alone.
                if time.time() - max(stat.st_mtime, stat.st_ctime) >= _PARTIAL_KEPT_S:
                    path.unlink()
                    log.info("partial_removed", name=path.name)

    def check_writable(self) -> None:
        """Raises OSError: the store cannot be written to."""
        probe = self._path(f"{PARTIAL}{secrets.token_hex(4)}")
        with self._using() as fs:
            self._make_folder(probe)
            fs.pipe_file(probe, b"probe")
            fs.rm_file(probe)

    def put(self, name: str, file: Path, *, moved: bool = False) -> None:
        """S3 replaces an object in one step: readers have the old or the new one. Elsewhere it is written beside and
        moved. `moved`: nobody will write to the file again, so a link to it will do."""
        path = self._path(name)
        with self._using() as fs:
            if self._is_s3:
                fs.put_file(str(file), path)
                return
            folder, _, last = path.rpartition("/")
            partial = f"{folder}/{PARTIAL}{last}-{secrets.token_hex(4)}"
            self._make_folder(path)
            try:
                if not (moved and self.is_local and _link(file, partial)):
                    fs.put_file(str(file), partial)
                if self.is_local:
                    with Path(partial).open("rb+") as written:
                        os.fsync(written.fileno())
                fs.mv(partial, path)
            except BaseException:
                with contextlib.suppress(Exception):
                    fs.rm_file(partial)
                raise
            if self.is_local:
                sync_folder(Path(folder))

    def get(self, name: str, file: Path) -> None:
        """Raises FileNotFoundError: it is not there; OSError: `file` cannot be written."""
        with self._using() as fs:
            fs.get_file(self._path(name), str(file))

    def remove(self, name: str, *, folder: bool = False) -> None:
        """One that is not there is no error."""
        with contextlib.suppress(FileNotFoundError), self._using() as fs:
            if folder:
                fs.rm(self._path(name), recursive=True)
            else:
                fs.rm_file(self._path(name))

    def names(self, folder: str, kind: Literal["file", "directory"] = "file") -> list[str]:
        """What is in a folder, without its name, in order."""
        with contextlib.suppress(FileNotFoundError), self._using() as fs:
            found = fs.ls(self._path(folder).rstrip("/"), detail=True)
            return sorted(str(one["name"]).rstrip("/").rpartition("/")[2] for one in found if one["type"] == kind)
        return []

    @contextlib.contextmanager
    def _using(self) -> Iterator[Any]:
        with contextlib.nullcontext() if self.is_local else in_words(self.where):
            yield self._fs

    def _find(self, name: str) -> _Found | None:
        with contextlib.suppress(FileNotFoundError), self._using() as fs:
            info = fs.info(self._path(name))
            size = int(info["size"] or 0)
            marks = [str(info[key]) for key in _VERSIONED_BY if key in info] or [str(info.get("created"))]
            return _Found(hashlib.sha256(f"{marks} {size}".encode()).hexdigest()[:16], size)
        return None

    @property
    def _is_s3(self) -> bool:
        """S3 knows no folders; s3fs would make the bucket, which is not ours to do."""
        protocol = self._fs.protocol
        return "s3" in ((protocol,) if isinstance(protocol, str) else protocol)

    def _make_folder(self, path: str) -> None:
        if not self._is_s3:
            self._fs.makedirs(path.rpartition("/")[0], exist_ok=True)

    def _path(self, name: str) -> str:
        return f"{self.where}/{name}"


def _object(model_id: str) -> str:
    """Raises UserError: the id could lead outside the store."""
    if not _MODEL_ID.fullmatch(model_id):
        raise UserError("That isn't a model id.", "Choose one of the models listed.")
    return model_id + SUFFIX


def _link(file: Path, link: str) -> bool:
    """Whether that was possible: it is not on another disk, nor on some kinds of disk."""
    try:
        os.link(file, link)
    except OSError:
        return False
    return True


def _missing() -> UserError:
    return UserError("This model's files are gone from the model store.", "Train it again, or choose another model.")
