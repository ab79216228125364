"""The model store: model folders by id, in a local folder or anywhere that fsspec reaches (`s3://`, ...)."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
import shutil
import time
from pathlib import Path
from typing import IO, Any, NamedTuple

import fsspec
import structlog
from fsspec.implementations.local import LocalFileSystem

from shared.errors import UserError
from shared.settings import Settings
from worker.model.checkpoint import sync_folder

_MODEL_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_PARTIAL = ".partial-"
_REPLACED = f"{_PARTIAL}old-"
_PARTIAL_NAME = re.compile(rf"(?:{re.escape(_REPLACED)}|{re.escape(_PARTIAL)})({_MODEL_ID.pattern})-[0-9a-f]{{8}}")
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

    Args:
        settings: `model_store_url` says where, `data_dir` holds the copies of a remote store's models.
    """

    def __init__(self, settings: Settings) -> None:
        filesystem: Any
        filesystem, root = fsspec.core.url_to_fs(settings.model_store_url)
        self._fs = filesystem
        self._root = str(root).rstrip("/")
        self._local = isinstance(filesystem, LocalFileSystem)
        self._cache = settings.data_dir / "cache" / "models"
        self.where = self._root
        """For people; without what an address may have of a password."""

    def save(self, folder: Path, model_id: str) -> None:
        """Copy a model folder into the store, replacing a model of the same id.

        A local store shows the model whole or not at all; a remote one gets `model.json`, without which nothing
        is fetched, last. On return it is on the disk of a local store.

        Raises:
            OSError: it cannot be written; nothing of it is left then.
        """
        if self._local:
            target = self._place(model_id)
            target.parent.mkdir(parents=True, exist_ok=True)
            _replace(target, lambda partial: _copy(folder, partial))
            return
        target_url = f"{self._root}/{_checked(model_id)}"
        self._fs.makedirs(target_url, exist_ok=True)
        files = [path for path in folder.iterdir() if path.is_file()]
        for path in sorted(files, key=lambda path: path.name == "model.json"):
            self._fs.put_file(str(path), f"{target_url}/{path.name}")
        shutil.rmtree(self._cache / model_id, ignore_errors=True)

    def take(self, folder: Path, model_id: str) -> None:
        """As `save`, but the folder is gone afterwards. A local store has it at once, and that takes no room.

        Raises:
            OSError: as `save`; the folder is still there then.
        """
        if self._local and not self.has(model_id):
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
        """Whether there is such a model."""
        if self._local:
            return (self._place(model_id) / "model.json").is_file()
        return bool(self._fs.exists(f"{self._root}/{_checked(model_id)}/model.json"))

    def fetch(self, model_id: str) -> Path:
        """The model's folder on this machine; to be read only.

        Raises:
            UserError: the store has no such model.
        """
        if self._local:
            if not self.has(model_id):
                raise _missing()
            return self._place(model_id)
        target_url = f"{self._root}/{_checked(model_id)}"
        copy = self._cache / model_id
        if not self.has(model_id):
            shutil.rmtree(copy, ignore_errors=True)
            raise _missing()
        if not copy.is_dir():
            self._cache.mkdir(parents=True, exist_ok=True)
            _replace(copy, lambda partial: self._fs.get(f"{target_url}/", f"{partial}/", recursive=True))
        return copy

    def open_files(self, model_id: str) -> list[StoredFile]:
        """A model's files as they are now, even if it is deleted while they are read (in a local store); to be closed.

        Raises:
            UserError: the store has no such model.
            OSError: it cannot be read.
        """
        place = f"{self._root}/{_checked(model_id)}"
        files: list[StoredFile] = []
        try:
            self._fs.invalidate_cache()
            for info in sorted(self._fs.ls(place, detail=True), key=lambda info: str(info["name"])):
                if info["type"] == "file":
                    name = str(info["name"]).rpartition("/")[2]
                    files.append(StoredFile(name, int(info["size"]), self._fs.open(info["name"], "rb")))
            if not any(file.name == "model.json" for file in files):
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
        try:
            self._fs.invalidate_cache()
            names = [str(info["name"]).rstrip("/").rpartition("/")[2] for info in self._fs.ls(self._root, detail=True)]
        except FileNotFoundError:
            return []
        return sorted(name for name in names if _MODEL_ID.fullmatch(name))

    def delete(self, model_id: str) -> None:
        """Remove a model; one that is not there is no error.

        Raises:
            OSError: its files cannot be removed.
        """
        if self._local:
            place = self._place(model_id)
            # Also what a killed process left of it, which `tidy` would put back.
            left = [path for path in _partials(place.parent) if _model_of(path) == model_id]
            for path in (*left, place):
                with contextlib.suppress(FileNotFoundError):
                    shutil.rmtree(path)
            return
        target_url = f"{self._root}/{_checked(model_id)}"
        if self._fs.exists(target_url):
            self._fs.rm(target_url, recursive=True)
        shutil.rmtree(self._cache / model_id, ignore_errors=True)

    def tidy(self) -> None:
        """Clean up behind processes that were killed while they wrote, in a local store or a remote one's copies.

        A model that was just being replaced comes back as it was. What was not finished is removed once it is a
        day old, since another process may be about it.

        Raises:
            OSError: it cannot be read, or not be written to.
        """
        if self._local:
            self._put_back()
        for path in _partials(Path(self._root) if self._local else self._cache):
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
            if model_id and not self._place(model_id).exists() and (path / "model.json").is_file()
        ]

    def check_writable(self) -> None:
        """Write and remove a small file.

        Raises:
            OSError: the store cannot be written to.
        """
        self._fs.makedirs(self._root, exist_ok=True)
        probe = f"{self._root}/{_PARTIAL}{secrets.token_hex(4)}"
        self._fs.pipe_file(probe, b"probe")
        self._fs.rm_file(probe)

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
