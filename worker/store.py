"""The model store: one file a model, by id, in a local folder or anywhere that fsspec reaches (`s3://`, ...)."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import structlog
from fsspec.implementations.local import LocalFileSystem

from galvanic.checkpoint import sync_folder
from galvanic.model_file import SUFFIX
from shared.errors import UserError
from shared.settings import Settings
from shared.units import MEGABYTE
from worker.cache import PARTIAL, ModelCache
from worker.remote import RemoteStore, StoreAway, open_filesystem

_MODEL_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_PARTIAL_KEPT_S = 24 * 3600.0
"""No write takes as long, on any disk."""

log = structlog.get_logger()


class ModelStore:
    """A remote store's models are copied onto this host to be read (`worker.cache`), into `data_dir`.

    `where` is for people, without a password in the address; `remote` is None for a folder. Raises UserError: nothing
    here knows such an address. Its methods raise StoreAway, an OSError, while a remote store cannot be used.
    """

    def __init__(self, settings: Settings) -> None:
        filesystem: Any
        filesystem, self.where = open_filesystem(settings)
        local = isinstance(filesystem, LocalFileSystem)
        self.remote = None if local else RemoteStore(filesystem, self.where)
        self.cache = ModelCache(settings.data_dir / "cache" / "models", settings.model_cache_mb * MEGABYTE)
        self._folder = Path(self.where)

    def save(self, file: Path, model_id: str) -> None:
        """Replace a model in one step, synced to a local store's disk. Raises OSError: nothing of it is left."""
        if self.remote is not None:
            self.remote.put(_object(model_id), file)
            return
        target = self._place(model_id)
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_name(f"{PARTIAL}{model_id}-{secrets.token_hex(4)}")
        try:
            shutil.copyfile(file, partial)
            with partial.open("rb+") as written:
                os.fsync(written.fileno())
            partial.replace(target)
            sync_folder(target.parent)
        finally:
            partial.unlink(missing_ok=True)

    def take(self, file: Path, model_id: str) -> None:
        """As `save`, but move the file, which on one disk takes no space. Raises OSError: the file is still there."""
        if self.remote is None:
            target = self._place(model_id)
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                file.replace(target)
            except OSError as error:
                if error.errno != errno.EXDEV:
                    raise
            else:
                sync_folder(target.parent)
                return
        self.save(file, model_id)
        file.unlink()

    def has(self, model_id: str) -> bool:
        return self.version(model_id) is not None

    def version(self, model_id: str) -> str | None:
        """Changes when a model is replaced; None: there is no such model."""
        if self.remote is not None:
            found = self.remote.find(_object(model_id))
            return found.version if found else None
        try:
            stat = self._place(model_id).stat()
        except FileNotFoundError:
            return None
        return f"{stat.st_ino}-{stat.st_mtime_ns}"

    @contextlib.contextmanager
    def reading(self, model_id: str) -> Iterator[Path]:
        """The file, to be read only; a remote store's copy stays as long as the context.

        While the store is away an earlier copy serves. Raises UserError: no such model; StoreAway: no copy either;
        OSError: no disk space for one.
        """
        with contextlib.ExitStack() as kept:
            yield self._local(model_id) if self.remote is None else self._copy(self.remote, model_id, kept)

    def _local(self, model_id: str) -> Path:
        if not (place := self._place(model_id)).is_file():
            raise _missing()
        return place

    def _copy(self, remote: RemoteStore, model_id: str, kept: contextlib.ExitStack) -> Path:
        name = _object(model_id)
        try:
            found = remote.find(name)
        except StoreAway as error:
            if (copy := kept.enter_context(self.cache.newest(model_id))) is None:
                raise
            log.warning("copy_serves", model_id=model_id, error=str(error))
            return copy
        if found is None:
            self.cache.forget(model_id)
            raise _missing()
        try:
            reading = self.cache.reading(model_id, found.version, found.size, lambda path: remote.get(name, path))
            return kept.enter_context(reading)
        except FileNotFoundError:  # it was deleted just now
            raise _missing() from None

    def open(self, model_id: str) -> IO[bytes]:
        """The file as it is now, even if it is deleted while it is read. Raises UserError: no such model; OSError."""
        with self.reading(model_id) as path:
            try:
                return path.open("rb")
            except FileNotFoundError:
                raise _missing() from None

    def ids(self) -> list[str]:
        """Raises OSError: the store cannot be read."""
        if self.remote is not None:
            names = self.remote.names()
        else:
            try:
                names = [path.name for path in self._folder.iterdir()]
            except FileNotFoundError:
                return []
        found = (name.removesuffix(SUFFIX) for name in names if name.endswith(SUFFIX))
        return sorted(name for name in found if _MODEL_ID.fullmatch(name))

    def delete(self, model_id: str) -> None:
        """Remove this host's copy, too; one that is not there is no error. Raises OSError: it cannot be removed."""
        if self.remote is None:
            self._place(model_id).unlink(missing_ok=True)
            return
        self.cache.forget(model_id)
        self.remote.remove(_object(model_id))

    def tidy(self) -> None:
        """Remove partial files of killed processes: a day old, as younger ones may be in use. Raises OSError."""
        for path in sorted((self.cache.folder if self.remote else self._folder).glob(f"{PARTIAL}*")):
            try:
                stat = path.lstat()
                # A rename changes the ctime alone.
                if time.time() - max(stat.st_mtime, stat.st_ctime) < _PARTIAL_KEPT_S:
                    continue
                if path.is_dir():
                    shutil.rmtree(path)
                else:
                    path.unlink()
            except FileNotFoundError:
                continue  # another worker is tidying
            log.info("partial_removed", name=path.name)

    def check_writable(self) -> None:
        """Raises OSError: the store cannot be written to."""
        if self.remote is not None:
            self.remote.check_writable()
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        probe = self._folder / f"{PARTIAL}{secrets.token_hex(4)}"
        probe.write_bytes(b"probe")
        probe.unlink()

    def _place(self, model_id: str) -> Path:
        return self._folder / _object(model_id)


def _object(model_id: str) -> str:
    """Raises UserError: the id could lead outside the store."""
    if not _MODEL_ID.fullmatch(model_id):
        raise UserError("That isn't a model id.", "Choose one of the models listed.")
    return model_id + SUFFIX


def _missing() -> UserError:
    return UserError("This model's files are gone from the model store.", "Train it again, or choose another model.")
