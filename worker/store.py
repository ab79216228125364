"""The model store: one file a model, by id, in a local folder or anywhere that fsspec reaches (`s3://`, ...)."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import fsspec
import structlog
from fsspec.implementations.local import LocalFileSystem

from galvanic import model_file
from galvanic.checkpoint import disk_full
from galvanic.errors import UserError
from galvanic.files import sync_folder
from galvanic.model_file import SUFFIX
from galvanic.options import STARTER
from galvanic.results import Difficulty
from galvanic.units import MEGABYTE
from shared.jobs import is_id
from shared.settings import Settings
from worker.cache import PARTIAL, ModelCache

_PARTIAL_KEPT_S = 24 * 3600.0
"""No write takes as long, on any disk."""
_CONNECT_S = 5
_READ_S = 30
"""Without a byte; a large model takes longer in all."""

log = structlog.get_logger()


class StoreAway(OSError):
    """The remote store does not answer, refuses the keys or has no such place."""


def difficulty(error: OSError) -> Difficulty | None:
    """What `galvanic.checkpoint.when_there_is_room` can wait out here; None: trying again would not help."""
    return "store away" if isinstance(error, StoreAway) else disk_full(error)


class ModelStore:
    """A remote store's models are copied onto this host to be read (`worker.cache`), into `data_dir`.

    `where` is for people, without a password in the address. Raises UserError: nothing here knows such an address. Its
    methods raise StoreAway, an OSError, while a remote store cannot be used.
    """

    def __init__(self, settings: Settings) -> None:
        self._fs, self.where = _open_filesystem(settings)
        self.is_local = isinstance(self._fs, LocalFileSystem)
        self.cache = ModelCache(settings.data_dir / "cache" / "models", settings.model_cache_mb * MEGABYTE)

    def save(self, file: Path, model_id: str) -> None:
        """Save a model in one step, synced to a local store's disk. Raises OSError: nothing of it is left."""
        self.put(_object(model_id), file)

    def take(self, file: Path, model_id: str) -> None:
        """As `save`, but move the file, which on one disk takes no space. Raises OSError: the file is still there."""
        self.put(_object(model_id), file, moved=True)
        file.unlink()

    def has(self, model_id: str) -> bool:
        with contextlib.suppress(FileNotFoundError), self._using() as fs:
            fs.info(self._path(_object(model_id)))
            return True
        return False

    @contextlib.contextmanager
    def reading(self, model_id: str) -> Iterator[Path]:
        """The file, to be read only; a remote store's is a copy, which stays as long as the context. The starter, which
        is in no store, is called by its name.

        A copy that is there serves, also while the store is away: a model never changes. Raises UserError: no such
        model; StoreAway: no copy either; OSError: no disk space for one.
        """
        name = _object(model_id)
        if model_id == STARTER:
            if not model_file.STARTER_FILE.exists():
                raise UserError(
                    "The starter isn't installed here.",
                    "Train a model, as with `/train source:frankenstein`.",
                )
            yield model_file.STARTER_FILE
        elif not self.is_local:
            with self.cache.reading(model_id, lambda copy: self._fetch(name, copy)) as copy:
                yield copy
        elif (path := Path(self._path(name))).exists():
            yield path
        else:
            raise _missing()

    def _fetch(self, name: str, copy: Path) -> None:
        try:
            with self._using() as fs:
                self.cache.make_room(fs.info(self._path(name))["size"])
            self.get(name, copy)
        except FileNotFoundError:
            raise _missing() from None

    def ids(self) -> list[str]:
        """Raises OSError: the store cannot be read."""
        found = (name.removesuffix(SUFFIX) for name in self.names("") if name.endswith(SUFFIX))
        return [name for name in found if is_id(name)]

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
                if self.is_local:
                    Path(partial).unlink(missing_ok=True)  # it stays where both are the same file already
                    sync_folder(Path(folder))
            except BaseException:
                with contextlib.suppress(Exception):
                    fs.rm_file(partial)
                raise

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
        with contextlib.nullcontext() if self.is_local else _in_words(self.where):
            yield self._fs

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
    if not is_id(model_id):
        raise UserError("That isn't a model id.", "Choose one of the models listed.")
    return model_id + SUFFIX


def _link(file: Path, link: str) -> bool:
    """Whether that was possible: it is not on another disk, nor on some kinds of disk."""
    with contextlib.suppress(OSError):
        os.link(file, link)
        return True
    return False


def _missing() -> UserError:
    return UserError("This model's files are gone from the model store.", "Train it again, or choose another model.")


def _open_filesystem(settings: Settings) -> tuple[Any, str]:
    """The model store's file system, and the path in it. Raises UserError: nothing here knows such an address."""
    url = settings.model_store_url
    options: dict[str, Any] = {}
    if url.startswith(("s3://", "s3a://")):
        secret = settings.aws_secret_access_key
        options = {
            "key": settings.aws_access_key_id,
            "secret": secret.get_secret_value() if secret is not None else None,
            "endpoint_url": settings.aws_endpoint_url,
            "client_kwargs": {"region_name": settings.aws_default_region} if settings.aws_default_region else {},
            # s3fs tries again itself.
            "config_kwargs": {
                "connect_timeout": _CONNECT_S,
                "read_timeout": _READ_S,
                "retries": {"mode": "standard", "total_max_attempts": 1},
            },
            "use_listings_cache": False,  # other hosts change what is there
        }
    try:
        filesystem, root = fsspec.core.url_to_fs(url, **options)
    except (ImportError, ValueError) as error:
        raise UserError(
            f"The model store's address begins with {url.partition('://')[0]}://, "
            "which this installation doesn't know.",
            "For s3:// install the extra `s3` (pip install 'galvanic[s3]'); or correct MODEL_STORE.",
        ) from error
    return filesystem, str(root).rstrip("/")


@contextlib.contextmanager
def _in_words(where: str) -> Iterator[None]:
    """Let every error be `StoreAway`, save a missing object and a full disk of this host."""
    try:
        yield
    except Exception as error:  # each kind of store has errors of its own
        code = _code(error)
        match error:
            case FileNotFoundError() if code != "NoSuchBucket":
                raise
            case FileNotFoundError():
                problem = f"The model store has no such bucket ({where})"
            case PermissionError():
                problem = f"The model store ({where}) refuses these keys"
            case OSError() if disk_full(error):
                raise
            case _ if code.endswith(("CredentialsError", "CredentialRetrievalError")):
                problem = f"There are no keys for the model store ({where})"
            case _:
                problem = f"The model store ({where}) does not answer"
        raise StoreAway(f"{problem} ({code}).") from error


def _code(error: BaseException) -> str:
    """S3's word for what is wrong, else the error's type. Its message may hold more than is for a log."""
    response = getattr(error.__cause__, "response", None) or getattr(error, "response", None)
    code = response.get("Error", {}).get("Code") if isinstance(response, dict) else None
    if isinstance(code, str) and code.isalnum():
        return code
    return errno.errorcode.get(getattr(error, "errno", None) or 0, type(error).__name__)
