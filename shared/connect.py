"""Connections to Redis, made one way for every process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import redis
import redis.asyncio
from redis._parsers.base import BaseParser
from redis.backoff import ExponentialBackoff
from redis.retry import Retry

if TYPE_CHECKING:
    from shared.settings import Settings


class TakesNothing(redis.ConnectionError):
    """Redis is there, but takes nothing now: its disk or its memory is full. As good as away, and waited out alike."""


def _take_refusals_for_outages() -> None:
    """Let redis-py raise `TakesNothing` for them: Celery ends at an answer that is no trouble with the connection.

    The table is a detail of redis-py 8, which has other such answers in it (LOADING); `tests/shared/test_connect.py`
    proves it on the pinned version.
    """
    for beginning in ("MISCONF", "OOM", "READONLY"):
        BaseParser.EXCEPTION_CLASSES[beginning] = TakesNothing


_take_refusals_for_outages()

READ_BLOCK_MS = 2_000
"""Longest blocking read: well under the socket time-out, which would end it with an error."""
_CROWD_TIMEOUT_S = 60.0
_LONG_S = 300.0
_POOL: dict[str, Any] = {
    "max_connections": 32,
    "timeout": 5.0,
    "legacy_responses": False,
    "socket_connect_timeout": 2.0,
    "socket_timeout": 5.0,
    "health_check_interval": 30,
}
"""What all clients have in common; `timeout` is how long one waits for a free connection. All in seconds."""


def connect(settings: Settings) -> redis.Redis:
    """A synchronous client (worker, launcher); nothing is sent until it is used. Replies are bytes.

    Threads that share it may be more than its connections: who finds all in use waits for one.
    """
    pool = redis.BlockingConnectionPool.from_url(settings.redis_address, **_POOL)
    return redis.Redis.from_pool(pool)


def connect_for_long_commands(settings: Settings) -> redis.Redis:
    """As `connect`, for commands that take long because they read or write everything there is."""
    pool = redis.BlockingConnectionPool.from_url(settings.redis_address, **(_POOL | {"socket_timeout": _LONG_S}))
    return redis.Redis.from_pool(pool)


def connect_async(settings: Settings) -> redis.asyncio.Redis:
    """An asyncio client (bot); one quick retry, so that a person hears of an outage within seconds.

    Who finds all connections in use waits for one: many people may ask at the same moment.
    """
    from redis.asyncio.retry import Retry as AsyncRetry

    pool = redis.asyncio.BlockingConnectionPool.from_url(
        settings.redis_address,
        **_POOL,
        retry=AsyncRetry(ExponentialBackoff(cap=0.5, base=0.1), retries=1),
    )
    return redis.asyncio.Redis.from_pool(pool)


def patient() -> Retry:
    """A retry policy for what must not be lost: goes on for about ten minutes while Redis is away."""
    return Retry(ExponentialBackoff(cap=10, base=0.2), retries=65)


def connect_for_threads(settings: Settings) -> redis.Redis:
    """As `connect`, for hundreds of threads at once, which may wait long for a connection."""
    pool = redis.BlockingConnectionPool.from_url(settings.redis_address, **(_POOL | {"timeout": _CROWD_TIMEOUT_S}))
    return redis.Redis.from_pool(pool)
