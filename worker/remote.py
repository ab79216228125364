"""The file system of the model store: a folder, or wherever fsspec reaches; and its troubles in plain words."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import fsspec

from galvanic.checkpoint import disk_full, is_full, when_there_is_room as _when_there_is_room
from galvanic.errors import UserError
from galvanic.results import Difficulty, Hooks
from shared.settings import Settings

T = TypeVar("T")
_CONNECT_S = 5
_READ_S = 30
"""Without a byte; a large model takes longer in all."""


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
def in_words(where: str) -> Iterator[None]:
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
            case OSError() if is_full(error):
                raise
            case _ if code.endswith(("CredentialsError", "CredentialRetrievalError")):
                problem = f"There are no keys for the model store ({where})"
            case _:
                problem = f"The model store ({where}) does not answer"
        raise StoreAway(problem, code) from error


def _code(error: BaseException) -> str:
    """S3's word for what is wrong, else the error's type. Its message may hold more than is for a log."""
    response = getattr(error.__cause__, "response", None) or getattr(error, "response", None)
    code = response.get("Error", {}).get("Code") if isinstance(response, dict) else None
    if isinstance(code, str) and code.isalnum():
        return code
    return errno.errorcode.get(getattr(error, "errno", None) or 0, type(error).__name__)
