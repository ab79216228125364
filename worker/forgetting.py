"""Each worker forgets the models that are no longer in the registry: in its memory, and in its host's copies.

The registry is asked, not listened to: a worker that was off, or cut off from Redis, misses nothing, and what was
deleted is gone wherever it was used, not only where its files were removed.
"""

from __future__ import annotations

import threading
import time

import redis
import structlog

from shared import keys
from shared.connect import connect
from shared.settings import Settings
from worker.remote import StoreAway
from worker.store import ModelStore
from worker.warm import WarmModels

LOOK_EVERY_S = 2.0
COMPARE_EVERY_S = 30.0
"""A replaced model is found out at the store, which has better things to do."""

log = structlog.get_logger()


class Forgetter(threading.Thread):
    """Looks every two seconds, until stopped.

    Args:
        settings: of Redis and the store.
        models: of this process; None: it keeps none in memory.
    """

    def __init__(self, settings: Settings, models: WarmModels | None) -> None:
        super().__init__(name="forgetter", daemon=True)
        self._client = connect(settings)
        self._cache = (models.store if models else ModelStore(settings)).cache
        self._models = models
        self._compared = time.monotonic()
        self._stopping = threading.Event()
        self._reachable = True

    def run(self) -> None:
        """Look until `stop`; what keeps it from looking is logged once and waited out."""
        while not self._stopping.is_set():
            try:
                self.look()
                if self._models and time.monotonic() - self._compared >= COMPARE_EVERY_S:
                    self._compared = time.monotonic()
                    self._models.drop_replaced()
                self._reachable = True
            except (redis.RedisError, StoreAway) as error:
                if self._reachable:
                    log.warning("not_looked_for_deleted_models", error=type(error).__name__)
                self._reachable = False
            except Exception as error:
                log.error("forgetting_failed", error=type(error).__name__)
            self._stopping.wait(LOOK_EVERY_S)

    def stop(self) -> None:
        """End soon."""
        self._stopping.set()

    def look(self) -> None:
        """Forget what is no longer in the registry.

        Raises:
            redis.RedisError: Redis cannot be reached.
        """
        known = sorted(self._cache.ids() | (self._models.ids() if self._models else set()))
        if not known:
            return
        with self._client.pipeline(transaction=False) as pipe:
            for model_id in known:
                pipe.exists(keys.model(model_id))
            there = pipe.execute()
        for model_id, exists in zip(known, there, strict=True):
            if exists:
                continue
            if self._models is not None:
                self._models.drop(model_id)
            self._cache.forget(model_id)
            log.info("model_forgotten", model_id=model_id)
