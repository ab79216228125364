"""What leaves a worker's memory and its host's copies: models that were deleted, and what the C library keeps.

A worker asks again and again which models are still in the registry: one that was off, or cut off from Redis, misses
nothing, and what was deleted is gone wherever it was used.
"""

from __future__ import annotations

import contextlib
import ctypes

import redis
import structlog

from shared import keys
from worker.cache import ModelCache
from worker.warm import WarmModels

FORGET_EVERY_S = 2.0
COMPARE_EVERY_S = 30.0
"""Only the store knows whether models were replaced, and each question is a request to it."""
TRIM_EVERY_S = 20.0

log = structlog.get_logger()


def forget_deleted(client: redis.Redis, cache: ModelCache, models: WarmModels | None) -> None:
    """`models`: of this process; None: it keeps none in memory. Raises redis.RedisError."""
    known = sorted(cache.ids() | (models.ids() if models else set()))
    with client.pipeline(transaction=False) as pipe:
        for model_id in known:
            pipe.exists(keys.model(model_id))
        there = pipe.execute()
    for model_id in (one for one, exists in zip(known, there, strict=True) if not exists):
        if models is not None:
            models.drop(model_id)
        cache.forget(model_id)
        log.info("model_forgotten", model_id=model_id)


def trim() -> None:
    """Return freed memory to the system, where the C library has a call for that: glibc has.

    Each thread has pools of its own, and a piece in use at a pool's end keeps all free memory before it: after a
    thousand texts with ten models 390 to 790 MB were held, after this call 390 to 410. Fewer pools or lower thresholds
    (MALLOC_ARENA_MAX, MALLOC_TRIM_THRESHOLD_; mallopt(3)) left 500 to 610.
    """
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)
