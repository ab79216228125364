"""A remote model store: one object a model, so that it is there whole or not at all."""

from __future__ import annotations

import errno
import hashlib
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import fsspec
import structlog

from galvanic.checkpoint import disk_full, is_full
from galvanic.checkpoint import when_there_is_room as _when_there_is_room
from galvanic.results import Difficulty, Hooks
from shared.errors import UserError
from shared.settings import Settings

T = TypeVar("T")
_PROBE = ".probe-"
_CONNECT_S = 5
_READ_S = 30
"""Without a byte; a large model takes longer in all."""
_PLACE_OF = ("ETag", "etag", "mtime", "LastModified", "last_modified", "updated", "created")
"""What tells versions of an object apart: the first of these that the file system knows."""

log = structlog.get_logger()


class StoreAway(OSError):
    """The remote store does not answer, refuses the keys or has no such place; `cause` is its own word for it."""

    def __init__(self, problem: str, cause: str) -> None:
        super().__init__(f"{problem} ({cause}).")
        self.problem = problem
        self.cause = cause


def difficulty(error: OSError) -> Difficulty | None:
    """What can be waited out; None: trying again would not help."""
    return "store away" if isinstance(error, StoreAway) else disk_full(error)


def when_there_is_room(write: Callable[[], T], hooks: Hooks) -> T:
    """As the engine's function, but waits while the model store is away, too."""
    return _when_there_is_room(write, hooks, difficulty)


class Found(NamedTuple):
    """`version` differs when the content does; `size` is in bytes."""

    version: str
    size: int


class RemoteStore:
    """S3 replaces an object in one step: readers have the old or the new one. Elsewhere it is written beside and moved.

    Every method raises StoreAway while the store cannot be used.
    """

    def __init__(self, filesystem: Any, root: str) -> None:
        self._fs = filesystem
        self.root = root
        protocol = filesystem.protocol
        # S3 knows no folders; s3fs would make the bucket, which is not ours to do.
        self._folders = "s3" not in ((protocol,) if isinstance(protocol, str) else protocol)

    def find(self, name: str) -> Found | None:
        try:
            info = self._try(lambda: self._fs.info(self._path(name)))
        except FileNotFoundError:
            return None
        mark = next((str(info[key]) for key in _PLACE_OF if info.get(key) is not None), "")
        size = int(info["size"] or 0)
        return Found(hashlib.sha256(f"{mark} {size}".encode()).hexdigest()[:16], size)

    def put(self, name: str, file: Path) -> None:
        path = self._path(name)
        if not self._folders:
            self._try(lambda: self._fs.put_file(str(file), path))
            return
        partial = f"{path}.{secrets.token_hex(4)}.partial"
        self._make(path.rpartition("/")[0])
        self._try(lambda: self._fs.put_file(str(file), partial))
        self._try(lambda: self._fs.mv(partial, path))

    def get(self, name: str, file: Path) -> None:
        """Raises FileNotFoundError: it is not there; OSError: `file` cannot be written."""
        self._try(lambda: self._fs.get_file(self._path(name), str(file)))

    def remove(self, name: str) -> None:
        try:
            self._try(lambda: self._fs.rm_file(self._path(name)))
        except FileNotFoundError:
            return

    def names(self, folder: str = "") -> list[str]:
        """The objects in a folder, without its name."""
        path = f"{self.root}/{folder}".rstrip("/")
        try:
            found = self._try(lambda: self._fs.ls(path, detail=True))
        except FileNotFoundError:
            return []
        return sorted(str(info["name"]).rpartition("/")[2] for info in found if info["type"] == "file")

    def folders(self, folder: str) -> list[str]:
        try:
            found = self._try(lambda: self._fs.ls(f"{self.root}/{folder}", detail=True))
        except FileNotFoundError:
            return []
        return sorted(str(info["name"]).rstrip("/").rpartition("/")[2] for info in found if info["type"] == "directory")

    def remove_folder(self, folder: str) -> None:
        path = f"{self.root}/{folder}"
        try:
            self._try(lambda: self._fs.rm(path, recursive=True))
        except FileNotFoundError:
            return

    def check_writable(self) -> None:
        probe = f"{self.root}/{_PROBE}{secrets.token_hex(4)}"
        self._make(self.root)
        self._try(lambda: self._fs.pipe_file(probe, b"probe"))
        self._try(lambda: self._fs.rm_file(probe))

    def _path(self, name: str) -> str:
        return f"{self.root}/{name}"

    def _make(self, folder: str) -> None:
        if self._folders:
            self._try(lambda: self._fs.makedirs(folder, exist_ok=True))

    def _try(self, call: Callable[[], T]) -> T:
        with _in_words(self.root):
            return call()


def open_filesystem(settings: Settings) -> tuple[Any, str]:
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
        protocol = url.partition("://")[0]
        raise UserError(
            f"The model store's address begins with {protocol}://, which this installation doesn't know.",
            "For s3:// install the extra `s3` (pip install 'galvanic[s3]'); or correct MODEL_STORE.",
        ) from error
    return filesystem, str(root).rstrip("/")


@contextmanager
def _in_words(where: str) -> Iterator[None]:
    """Let every error be `StoreAway`, save a missing object and a full disk of this host."""
    try:
        yield
    except FileNotFoundError as error:
        if _code(error) == "NoSuchBucket":
            raise StoreAway(f"The model store has no such bucket ({where})", "missing") from error
        raise
    except PermissionError as error:
        raise StoreAway(f"The model store ({where}) refuses these keys", _code(error)) from error
    except OSError as error:
        if is_full(error) or isinstance(error, StoreAway):
            raise
        raise StoreAway(f"The model store ({where}) does not answer", _code(error)) from error
    except Exception as error:  # each kind of store has errors of its own
        if type(error).__name__ in ("NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError"):
            raise StoreAway(f"There are no keys for the model store ({where})", type(error).__name__) from error
        raise StoreAway(f"The model store ({where}) does not answer", _code(error)) from error


def _code(error: BaseException) -> str:
    """S3's word for what is wrong, else the error's type. Its message may hold more than is for a log."""
    response = getattr(error.__cause__, "response", None) or getattr(error, "response", None)
    code = response.get("Error", {}).get("Code") if isinstance(response, dict) else None
    if isinstance(code, str) and code.isalnum():
        return code
    return errno.errorcode.get(getattr(error, "errno", None) or 0, type(error).__name__)
