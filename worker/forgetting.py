"""Each worker drops models that are no longer in the registry from its memory and its host's copies.

It asks again and again: a worker that was off, or cut off from Redis, misses nothing, and what was deleted is gone
wherever it was used.
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
"""Only the store knows whether models were replaced, and each question is a request to it."""

log = structlog.get_logger()


class Forgetter(threading.Thread):
    """`models`: of this process; None: it keeps none in memory."""

    def __init__(self, settings: Settings, models: WarmModels | None) -> None:
        super().__init__(name="forgetter", daemon=True)
        self._client = connect(settings)
        self._cache = (models.store if models else ModelStore(settings)).cache
        self._models = models
        self._compared = time.monotonic()
        self._stopping = threading.Event()
        self._reachable = True

    def run(self) -> None:
        """What keeps it from looking is logged once and waited out."""
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
        self._stopping.set()

    def look(self) -> None:
        """Raises redis.RedisError: Redis cannot be reached."""
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
