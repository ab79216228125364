"""The model store: one file a model, by id, in a local folder or in an object store that fsspec reaches (`s3://`)."""

import contextlib
import errno
import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, cast

import fsspec
import redis
import structlog
from fsspec.implementations.local import LocalFileSystem

from galvanic import model_file
from galvanic.checkpoint import disk_full
from galvanic.errors import UserError
from galvanic.files import replacing
from galvanic.model_file import SUFFIX
from galvanic.options import STARTER
from galvanic.results import Difficulty
from shared import keys
from shared.jobs import is_id
from shared.settings import Settings

DELETE_EVERY_S = 2.0
_PARTIAL_KEPT_S = 24 * 3600.0  # then a partial file is nobody's; no write takes as long
_CONNECT_S = 5
_READ_S = 30  # without a byte; a large model takes longer in all

log = structlog.get_logger()


class StoreAway(OSError):
    """The store does not answer, refuses access or has no such place."""


def difficulty(error: OSError) -> Difficulty | None:
    """Return what `galvanic.checkpoint.when_there_is_room` can wait out here; None: trying again would not help."""
    return "store away" if isinstance(error, StoreAway) else disk_full(error)


class ModelStore:
    """Models by id, and copies of checkpoints by name. `where` is for people, without a password in the address.

    Raises UserError: nothing here knows such an address. Its methods raise StoreAway, an OSError, while the store
    cannot be used.
    """

    def __init__(self, settings: Settings) -> None:
        self._fs, self.where = _open_filesystem(settings)
        self.is_local = isinstance(self._fs, LocalFileSystem)

    # ------------------------------------------------------------------ models

    def save(self, file: Path, model_id: str) -> None:
        """Save a model in one step, synced to a local store's disk. Raises OSError: nothing of it is left."""
        self.put(_object(model_id), file)

    def has(self, model_id: str) -> bool:
        """Return whether the store has a model."""
        with contextlib.suppress(FileNotFoundError), self._using() as fs:
            fs.info(self._path(_object(model_id)))
            return True
        return False

    @contextlib.contextmanager
    def reading(self, model_id: str) -> Iterator[Path]:
        """Give a path to a model's file, to be read only; that of a remote store is fetched, and removed afterwards.

        The starter, which is in no store, is called by its name. Raises UserError: no such model; StoreAway; OSError:
        no disk space for the file.
        """
        name = _object(model_id)
        if model_id == STARTER:
            if not model_file.STARTER_FILE.exists():
                raise UserError(
                    "The starter isn't installed here.",
                    "Train a model, as with `/train source:frankenstein`.",
                )
            yield model_file.STARTER_FILE
            return
        gone = UserError(
            "This model's files are gone from the model store.", "Train it again, or choose another model."
        )
        if self.is_local:
            if not self.has(model_id):
                raise gone
            yield Path(self._path(name))
            return
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / name
            try:
                self.get(name, file)
            except FileNotFoundError:
                raise gone from None
            yield file

    def delete(self, model_id: str) -> None:
        """Remove a model; one that is not there is no error. Raises OSError: it cannot be removed."""
        name = _object(model_id)
        with contextlib.suppress(FileNotFoundError), self._using() as fs:
            fs.rm_file(self._path(name))

    def tidy(self) -> None:
        """Remove partial files of killed processes: a day old, as younger ones may be in use. Raises OSError."""
        for path in Path(self.where).glob(".*.partial") if self.is_local else ():
            with contextlib.suppress(FileNotFoundError):  # another worker is tidying
                if time.time() - path.lstat().st_mtime >= _PARTIAL_KEPT_S:
                    path.unlink()
                    log.info("partial_removed", name=path.name)

    def check_usable(self) -> None:
        """Try to write, read, list and delete. Raises OSError: the store cannot be used."""
        probe = self._path(f".{secrets.token_hex(4)}.partial")
        with self._using() as fs:
            fs.pipe_file(probe, b"probe")
            try:
                fs.cat_file(probe)
                fs.ls(self.where)
            finally:
                fs.rm_file(probe)

    # ------------------------------------------------------------------ other files

    def put(self, name: str, file: Path) -> None:
        """Write a copy of a file in one step: readers see the old or the new one. S3 does that by itself."""
        with self._using() as fs:
            if not self.is_local:
                fs.put_file(str(file), self._path(name))
                return
            place = Path(self._path(name))
            place.parent.mkdir(parents=True, exist_ok=True)
            with replacing(place) as partial:
                shutil.copyfile(file, partial)

    def get(self, name: str, file: Path) -> None:
        """Copy a file of the store. Raises FileNotFoundError: it is not there; OSError: `file` cannot be written."""
        with self._using() as fs:
            fs.get_file(self._path(name), str(file))

    def remove_folder(self, name: str) -> None:
        """Remove all that is in a folder; one that is not there is no error."""
        with contextlib.suppress(FileNotFoundError), self._using() as fs:
            fs.rm(self._path(name), recursive=True)

    def names(self, folder: str, kind: Literal["file", "directory"] = "file") -> list[str]:
        """Return the names of what is in a folder, sorted."""
        with contextlib.suppress(FileNotFoundError), self._using() as fs:
            entries = fs.ls(self._path(folder).rstrip("/"), detail=True)
            paths = (str(entry["name"]) for entry in entries if entry["type"] == kind)
            return sorted(path.rstrip("/").rpartition("/")[2] for path in paths)
        return []

    @contextlib.contextmanager
    def _using(self) -> Iterator[Any]:
        """Yield the file system; turn its errors into `StoreAway`, but a missing file and a full disk."""
        try:
            yield self._fs
        except Exception as error:  # each kind of remote store has errors of its own
            code = _code(error)
            match error:
                case FileNotFoundError() if code != "NoSuchBucket":
                    raise
                case FileNotFoundError():
                    problem = f"The model store has no such bucket ({self.where})"
                case OSError() if disk_full(error):
                    raise
                case OSError() if self.is_local:
                    problem = f"The model store's folder {self.where} cannot be used"
                case _ if self.is_local:
                    raise
                case PermissionError():
                    problem = f"The model store ({self.where}) refuses these keys"
                case _ if code.endswith(("CredentialsError", "CredentialRetrievalError")):
                    problem = f"There are no keys for the model store ({self.where})"
                case _:
                    problem = f"The model store ({self.where}) does not answer"
            raise StoreAway(f"{problem} ({code}).") from error

    def _path(self, name: str) -> str:
        return f"{self.where}/{name}"


def delete_files(client: redis.Redis, store: ModelStore) -> None:
    """Remove the files of deleted models, and note which are gone. Files that are gone already are no error.

    Several workers may do this at once. A file that can't be removed keeps no other from it, and is tried again at the
    next call.

    Raises redis.RedisError, or an OSError that removing a file raised.
    """
    failed: OSError | None = None
    for member in cast(set[bytes], client.smembers(keys.DELETING)):
        model_id = member.decode(errors="replace")
        if not is_id(model_id) or client.exists(keys.model(model_id)):  # nobody deleted that
            continue
        try:
            store.delete(model_id)
        except OSError as error:
            failed = error
            continue
        client.srem(keys.DELETING, member)
        log.info("model_deleted", model_id=model_id)
    if failed is not None:
        raise failed


def _object(model_id: str) -> str:
    """Return the name of a model's file. Raises UserError: the id could lead outside the store."""
    if not is_id(model_id):
        raise UserError("That isn't a model id.", "Choose one of the models listed.")
    return model_id + SUFFIX


def _open_filesystem(settings: Settings) -> tuple[Any, str]:
    """Return the store's file system, and the path in it. Raises UserError: nothing here knows such an address."""
    url = settings.model_store_url
    options: dict[str, Any] = {}
    if url.startswith(("s3://", "s3a://")):
        for name in [name for name, value in os.environ.items() if name.startswith("AWS_") and not value]:
            del os.environ[name]  # Amazon's library would take it for a value
        secret, token = settings.aws_secret_access_key, settings.aws_session_token
        options = {
            "key": settings.aws_access_key_id,
            "secret": secret.get_secret_value() if secret is not None else None,
            "token": token.get_secret_value() if token is not None else None,
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
            "For s3:// install its client (.venv/bin/pip install -c constraints.txt s3fs); or correct MODEL_STORE.",
        ) from error
    return filesystem, str(root).rstrip("/")


def _code(error: BaseException) -> str:
    """Return S3's code of an error, else its type. Its message may hold more than should be logged."""
    response = getattr(error.__cause__, "response", None) or getattr(error, "response", None)
    code = response.get("Error", {}).get("Code") if isinstance(response, dict) else None
    if isinstance(code, str) and code.isalnum():
        return code
    return errno.errorcode.get(getattr(error, "errno", None) or 0, type(error).__name__)
