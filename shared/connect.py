"""Connections to Redis, made one way for every process."""

import shutil
import ssl
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import redis
import redis.asyncio
from redis._parsers.base import BaseParser
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import ExponentialBackoff, NoBackoff
from redis.retry import Retry

from galvanic.errors import UserError
from shared.settings import Settings


class TakesNothing(redis.ConnectionError):
    """Redis is there, but its disk or its memory is full. Wait for its end as for an outage's."""


# redis-py raises it for them: Celery ends at an answer that is no connection error. The table is a detail of redis-py
# 8; `tests/shared/test_connect.py` proves it on the pinned version.
BaseParser.EXCEPTION_CLASSES.update(dict.fromkeys(("MISCONF", "OOM", "READONLY"), TakesNothing))

_FULL_BYTES = 64 * 1024
READ_BLOCK_MS = 2_000  # longest blocking read: well under the socket time-out, which would end it with an error
_POOL: dict[str, Any] = {
    "max_connections": 32,
    "timeout": 5.0,
    "legacy_responses": False,
    "socket_connect_timeout": 2.0,
    "socket_timeout": 5.0,
    "health_check_interval": 30,
}
"""Options of all pools, times in seconds; `timeout` is the longest wait for a free connection."""


def takes_nothing(error: BaseException, settings: Settings) -> bool:
    """Return whether `error` says so, or the disk of a silent Redis is full.

    A server that cannot write its log may stand still, or end and not come back. Only the launcher's Redis is known to
    have its disk on this machine.
    """
    if isinstance(error, TakesNothing):
        return True
    try:
        return (
            settings.redis_address.startswith("unix:")
            and shutil.disk_usage(settings.data_dir / "redis").free < _FULL_BYTES
        )
    except OSError:  # it keeps its data elsewhere
        return False


def connect(settings: Settings, **options: float) -> redis.Redis:
    """Return a synchronous client, whose replies are bytes. Threads wait for a free connection."""
    pool = redis.BlockingConnectionPool.from_url(settings.redis_address, **_POOL | (settings.redis_tls or {}) | options)
    return redis.Redis.from_pool(pool)


def connect_async(settings: Settings) -> redis.asyncio.Redis:
    """Return the bot's client. It retries once, to report an outage within seconds; requests wait for a connection."""
    pool = redis.asyncio.BlockingConnectionPool.from_url(
        settings.redis_address,
        **_POOL | (settings.redis_tls or {}),
        retry=AsyncRetry(ExponentialBackoff(cap=0.5, base=0.1), retries=1),
    )
    return redis.asyncio.Redis.from_pool(pool)


def connect_once(settings: Settings, within_s: float = 1.0) -> redis.Redis:
    """Return a synchronous client that answers or fails at once, for callers that ask again soon."""
    return redis.Redis.from_url(
        settings.redis_address,
        retry=Retry(NoBackoff(), 0),
        legacy_responses=False,
        socket_connect_timeout=within_s,
        socket_timeout=within_s,
        **(settings.redis_tls or {}),
    )


def patient() -> Retry:
    """Return a policy for requests that must not be lost: retry for about ten minutes while Redis is away."""
    return Retry(ExponentialBackoff(cap=10, base=0.2), retries=65)


_BY_TYPE: tuple[tuple[type[Exception] | tuple[type[Exception], ...], str, str], ...] = (
    (
        (redis.AuthenticationError, redis.exceptions.AuthorizationError),
        "Redis at {at} does not take the user name or the password.",
        "Compare REDIS_URL and REDIS_PASSWORD with what Redis was started with (docs/security.md).",
    ),
    (
        redis.exceptions.NoPermissionError,
        "Redis at {at} does not let this user do what is needed.",
        "The user `bot` is for the bot, `worker` for the workers, and `admin` for you (docs/security.md).",
    ),
    (TakesNothing, "Redis at {at} takes nothing now: its disk or its memory is full.", "Make room there."),
    (
        Exception,
        "Redis at {at} cannot be reached ({name}).",
        "Start it, or correct REDIS_URL; is the firewall open for this machine? TLS has its own port, with rediss://, "
        "and may ask for REDIS_CERT_FILE and REDIS_KEY_FILE (docs/security.md).",
    ),
)
"""(classes, problem, remedy). The first row that fits an error counts."""
_CERTIFICATE = (
    "The certificate of Redis at {at} is refused: {why}.",
    "The host in REDIS_URL must be the one that it names, REDIS_CA_FILE the certificate of the authority that signed "
    "it, and both clocks right (docs/security.md). If all this is so, somebody else answers at this address.",
)


def explain(error: BaseException, settings: Settings) -> UserError:
    """Say what an error of redis-py or kombu means and what to do, without any secret."""
    why = ""
    refused = next((cause for cause in _causes_of(error) if isinstance(cause, ssl.SSLCertVerificationError)), None)
    if refused is not None:
        (problem, remedy), why = _CERTIFICATE, refused.verify_message.rstrip(".")
    else:
        problem, remedy = next((problem, remedy) for kind, problem, remedy in _BY_TYPE if isinstance(error, kind))
    return UserError(problem.format(at=where(settings), name=type(error).__name__, why=why), remedy)


def _causes_of(error: BaseException) -> Iterator[BaseException]:
    """Yield an error, and the errors that it was raised from or carries."""
    pending, seen = [error], set[int]()
    while pending:
        cause = pending.pop()
        if id(cause) in seen:
            continue
        seen.add(id(cause))
        yield cause
        related = (cause.__cause__, cause.__context__, *cause.args)
        pending += [other for other in related if isinstance(other, BaseException)]


def where(settings: Settings) -> str:
    """Return the address of Redis for people, without user and password."""
    try:
        parts = urlsplit(settings.redis_address)
        return f"{parts.hostname or parts.path}{f':{parts.port}' if parts.port else ''}"
    except ValueError:
        return "the address in REDIS_URL"
