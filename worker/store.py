"""The model store: model folders by id, in a local folder or anywhere that fsspec reaches (`s3://`, ...)."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
import shutil
from pathlib import Path
from typing import IO, Any, NamedTuple

import fsspec
from fsspec.implementations.local import LocalFileSystem

from shared.errors import UserError
from shared.settings import Settings
from worker.model.checkpoint import sync_folder

_MODEL_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_PARTIAL = ".partial-"


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
            with contextlib.suppress(FileNotFoundError):
                shutil.rmtree(self._place(model_id))
            return
        target_url = f"{self._root}/{_checked(model_id)}"
        if self._fs.exists(target_url):
            self._fs.rm(target_url, recursive=True)
        shutil.rmtree(self._cache / model_id, ignore_errors=True)

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
            old = target.with_name(f"{_PARTIAL}old-{target.name}-{secrets.token_hex(4)}")
            target.rename(old)
            partial.rename(target)
            shutil.rmtree(old)
        else:
            partial.rename(target)
        sync_folder(target.parent)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
