"""The model store: model folders by id, in a local folder or anywhere that fsspec reaches (`s3://`, ...)."""

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
from typing import IO, Any, NamedTuple

import structlog
from fsspec.implementations.local import LocalFileSystem

from galvanic.checkpoint import sync_folder
from shared.errors import UserError
from shared.settings import Settings
from shared.units import MEGABYTE
from worker.cache import PARTIAL, Held, ModelCache, temporary
from worker.remote import RemoteStore, StoreAway, open_filesystem, pack, unpack

_MODEL_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_PARTIAL = PARTIAL
_REPLACED = f"{_PARTIAL}old-"
_PARTIAL_NAME = re.compile(rf"(?:{re.escape(_REPLACED)}|{re.escape(_PARTIAL)})({_MODEL_ID.pattern})-[0-9a-f]{{8}}")
_LAST = "model.json"
"""Without it a model is not whole."""
_PARTIAL_KEPT_S = 24 * 3600.0
"""What is being written is younger, on any disk."""
_REPLACING_S = 1.0
"""Longer than what lies between the two renames of a replacement."""

log = structlog.get_logger()


class StoredFile(NamedTuple):
    """A file of a model in the store, open for reading."""

    name: str
    size: int
    source: IO[bytes]


class ModelStore:
    """Saves, fetches and deletes model folders.

    A remote store holds each model as one object (`worker.remote`), and this host keeps copies (`worker.cache`).

    Args:
        settings: `model_store_url` says where, `data_dir` holds the copies of a remote store's models.

    Raises:
        UserError: nothing here knows such an address.

    Attributes:
        where: for people; without what an address may have of a password.
        remote: None: it is a folder.
        cache: copies of a remote store's models.
    """

    def __init__(self, settings: Settings) -> None:
        filesystem: Any
        filesystem, self._root = open_filesystem(settings)
        local = isinstance(filesystem, LocalFileSystem)
        self.remote = None if local else RemoteStore(filesystem, self._root)
        self.cache = ModelCache(settings.data_dir / "cache" / "models", settings.model_cache_mb * MEGABYTE)
        self.where = self._root
        self._held: list[Held] = []

    def save(self, folder: Path, model_id: str) -> None:
        """Copy a model folder into the store, replacing a model of the same id.

        The store shows the model whole or not at all. On return it is on the disk of a local store.

        Raises:
            OSError: it cannot be written; nothing of it is left then.
            StoreAway: a remote store cannot be used now.
        """
        if self.remote is None:
            target = self._place(model_id)
            target.parent.mkdir(parents=True, exist_ok=True)
            _replace(target, lambda partial: _copy(folder, partial))
            return
        files = [path for path in folder.iterdir() if path.is_file()]
        with temporary(self.cache.folder, _checked(model_id)) as packed:
            pack(files, packed, _LAST)
            self.remote.put(model_id, packed)

    def take(self, folder: Path, model_id: str) -> None:
        """As `save`, but the folder is gone afterwards. A local store has it at once, and that takes no room.

        Raises:
            OSError: as `save`; the folder is still there then.
        """
        if self.remote is None and not self.has(model_id):
            target = self._place(model_id)
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                folder.rename(target)
            except OSError as error:
                if error.errno not in (errno.EXDEV, errno.ENOTEMPTY, errno.EEXIST):
                    raise
            else:
                sync_folder(target.parent)
                return
        self.save(folder, model_id)
        shutil.rmtree(folder)

    def has(self, model_id: str) -> bool:
        """Whether there is such a model.

        Raises:
            StoreAway: a remote store cannot be used now.
        """
        return self.version(model_id) is not None

    def version(self, model_id: str) -> str | None:
        """Changes when a model is replaced; None: there is no such model.

        Raises:
            StoreAway: a remote store cannot be used now.
        """
        if self.remote is not None:
            found = self.remote.find(_checked(model_id))
            return found.version if found else None
        try:
            stat = (self._place(model_id) / _LAST).stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        return f"{stat.st_ino}-{stat.st_mtime_ns}"

    def fetch(self, model_id: str) -> Path:
        """The model's folder on this machine; to be read only. It stays as long as this store object, or `release`.

        While a remote store is away, a copy that was fetched before serves.

        Raises:
            UserError: the store has no such model.
            StoreAway: a remote store cannot be used now, and there is no copy.
            OSError: there is no room for a copy.
        """
        if self.remote is None:
            if not self.has(model_id):
                raise _missing()
            return self._place(model_id)
        held = self._hold(self.remote, _checked(model_id))
        self._held.append(held)
        return held.folder

    def release(self) -> None:
        """What was fetched is no longer needed: its copies may go."""
        while self._held:
            self._held.pop().close()

    @contextlib.contextmanager
    def reading(self, model_id: str) -> Iterator[Path]:
        """As `fetch`, for as long as the context lasts."""
        if self.remote is None:
            yield self.fetch(model_id)
            return
        with contextlib.closing(self._hold(self.remote, _checked(model_id))) as held:
            yield held.folder

    def _hold(self, remote: RemoteStore, model_id: str) -> Held:
        try:
            found = remote.find(model_id)
        except StoreAway as error:
            if (held := self.cache.newest(model_id)) is None:
                raise
            log.warning("copy_serves", model_id=model_id, error=str(error))
            return held
        if found is None:
            self.cache.forget(model_id)
            raise _missing()

        def download(target: Path) -> None:
            with temporary(self.cache.folder, model_id) as packed:
                remote.get(model_id, packed)
                unpack(packed, target, _LAST)

        try:
            return self.cache.hold(model_id, found.version, found.size, download)
        except FileNotFoundError:  # it was deleted just now
            raise _missing() from None

    def open_files(self, model_id: str) -> list[StoredFile]:
        """A model's files as they are now, even if it is deleted while they are read; to be closed.

        Raises:
            UserError: the store has no such model.
            StoreAway: a remote store cannot be used now.
            OSError: it cannot be read.
        """
        files: list[StoredFile] = []
        try:
            with self.reading(model_id) as folder:
                for path in sorted(path for path in folder.iterdir() if path.is_file()):
                    source = path.open("rb")
                    files.append(StoredFile(path.name, os.fstat(source.fileno()).st_size, source))
            if not any(file.name == _LAST for file in files):
                raise FileNotFoundError
        except FileNotFoundError:
            for file in files:
                file.source.close()
            raise _missing() from None
        return files

    def ids(self) -> list[str]:
        """The models that it has.

        Raises:
            OSError: it cannot be read.
        """
        if self.remote is not None:
            names = self.remote.names()
        else:
            try:
                names = [path.name for path in Path(self._root).iterdir()]
            except FileNotFoundError:
                return []
        return sorted(name for name in names if _MODEL_ID.fullmatch(name))

    def delete(self, model_id: str) -> None:
        """Remove a model, and this host's copy; one that is not there is no error.

        Raises:
            OSError: its files cannot be removed.
            StoreAway: a remote store cannot be used now.
        """
        if self.remote is None:
            place = self._place(model_id)
            # Also what a killed process left of it, which `tidy` would put back.
            left = [path for path in _partials(place.parent) if _model_of(path) == model_id]
            for path in (*left, place):
                with contextlib.suppress(FileNotFoundError):
                    shutil.rmtree(path)
            return
        self.cache.forget(_checked(model_id))
        self.remote.remove(model_id)

    def tidy(self) -> None:
        """Clean up behind processes that were killed while they wrote, in a local store or a remote one's copies.

        A model that was just being replaced comes back as it was. What was not finished is removed once it is a
        day old, since another process may be about it.

        Raises:
            OSError: it cannot be read, or not be written to.
        """
        if self.remote is None:
            self._put_back()
        else:
            self.cache.tidy()
        for path in _partials(self.cache.folder if self.remote else Path(self._root)):
            try:
                stat = path.lstat()
                # A rename changes the second alone.
                if time.time() - max(stat.st_mtime, stat.st_ctime) < _PARTIAL_KEPT_S:
                    continue
                if path.is_dir():
                    shutil.rmtree(path)
                else:
                    path.unlink()
            except FileNotFoundError:
                continue  # another worker is tidying
            log.info("partial_removed", name=path.name)

    def _put_back(self) -> None:
        """Put models back whose replacement was cut off between the two renames of `_replace`."""
        if not self._replaced():
            return
        time.sleep(_REPLACING_S)  # one that lives is through by then
        for old, model_id in self._replaced():
            with contextlib.suppress(FileNotFoundError):  # another worker is tidying
                old.rename(self._place(model_id))
                sync_folder(old.parent)
                log.warning("model_put_back", model_id=model_id)

    def _replaced(self) -> list[tuple[Path, str]]:
        """The former folders of models that have no other, and the models' ids."""
        found = [(path, _model_of(path)) for path in _partials(Path(self._root)) if path.name.startswith(_REPLACED)]
        return [
            (path, model_id)
            for path, model_id in found
            if model_id and not self._place(model_id).exists() and (path / _LAST).is_file()
        ]

    def check_writable(self) -> None:
        """Write and remove a small file.

        Raises:
            OSError: the store cannot be written to.
            StoreAway: it is a remote one; says why.
        """
        if self.remote is not None:
            self.remote.check_writable()
            return
        Path(self._root).mkdir(parents=True, exist_ok=True)
        probe = Path(self._root) / f"{_PARTIAL}{secrets.token_hex(4)}"
        probe.write_bytes(b"probe")
        probe.unlink()

    def _place(self, model_id: str) -> Path:
        return Path(self._root) / _checked(model_id)


def _partials(folder: Path) -> list[Path]:
    """What is being written there, or was when its process was killed."""
    return sorted(folder.glob(f"{_PARTIAL}*"))


def _model_of(partial: Path) -> str | None:
    """Of which model it is a new or a former folder."""
    found = _PARTIAL_NAME.fullmatch(partial.name)
    return found[1] if found else None


def folder_bytes(folder: Path) -> int:
    """What a model folder takes in the store (`ModelRecord.file_bytes`)."""
    return sum(path.stat().st_size for path in folder.iterdir() if path.is_file())


def _checked(model_id: str) -> str:
    """The id itself.

    Raises:
        UserError: it could lead outside the store.
    """
    if not _MODEL_ID.fullmatch(model_id):
        raise UserError("That isn't a model id.", "Choose one of the models listed.")
    return model_id


def _missing() -> UserError:
    return UserError("This model's files are gone from the model store.", "Train it again, or choose another model.")


def _copy(folder: Path, target: Path) -> None:
    """Copy a folder without subfolders, and bring it to the disk."""
    target.mkdir()
    for path in folder.iterdir():
        shutil.copy2(path, target / path.name)
        with (target / path.name).open("rb+") as file:
            os.fsync(file.fileno())
    sync_folder(target)


def _replace(target: Path, write: Any) -> None:
    """Let `write` fill a folder beside `target`, then put it in its place."""
    partial = target.with_name(f"{_PARTIAL}{target.name}-{secrets.token_hex(4)}")
    try:
        write(partial)
        if target.exists():
            old = target.with_name(f"{_REPLACED}{target.name}-{secrets.token_hex(4)}")
            target.rename(old)
            partial.rename(target)
            shutil.rmtree(old)
        else:
            partial.rename(target)
        sync_folder(target.parent)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
