"""A worker service's own `/metrics` and `/health`: set up before Celery begins, in the parent process."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import redis
import structlog

from shared import keys
from shared.connect import connect_once
from shared.jobs import GENERATE_QUEUE, TRAIN_QUEUE
from shared.metrics.registry import PATIENCE_S
from shared.metrics.server import Health, MetricsServer
from shared.settings import Settings
from worker.lease import STALLED_AFTER_S
from worker.metrics.numbers import Training, worker_registry

log = structlog.get_logger()


class WorkerHealth:
    """`name`: the worker's in `presence`; `training`: the one that runs, if one does."""

    def __init__(self, settings: Settings, queue: str, name: str, training: Training) -> None:
        self._client = connect_once(settings, PATIENCE_S)
        self._queue = queue
        self._name = name
        self._training = training
        self._loaded = queue != GENERATE_QUEUE
        self._not_loaded: str | None = None

    @contextmanager
    def loading(self) -> Iterator[None]:
        """Around the import of TensorFlow, without which no text is written."""
        try:
            yield
        except BaseException as error:
            self._not_loaded = type(error).__name__
            raise
        self._loaded = True

    def look(self) -> Health:
        problems = list(self._heard())
        if self._not_loaded is not None:
            problems.append(f"TensorFlow cannot be loaded ({self._not_loaded}); `python -m worker doctor` says more.")
        elif not self._loaded:
            problems.append("TensorFlow is still being loaded.")
        running = self._queue == TRAIN_QUEUE and self._training.running is not None
        if running and (silent_s := self._training.silent_s()) > STALLED_AFTER_S:
            problems.append(f"The running training has made no headway for {silent_s / 60:.0f} minutes.")
        return Health(self._queue, tuple(problems), "a training runs" if running else "")

    def _heard(self) -> Iterator[str]:
        try:
            expiry = self._client.zscore(keys.workers(self._queue), self._name)
        except redis.RedisError as error:
            yield f"Redis cannot be reached ({type(error).__name__})."
            return
        if expiry is None:
            yield "It is not yet, or no longer, in Redis' list of workers: it gets no jobs."
        elif float(expiry) < time.time():
            yield f"Its heartbeat stopped {time.time() - float(expiry):.0f} s ago: it counts as gone."


class Watched:
    """What can be seen of a worker service from outside, while METRICS_PORT is set; else nothing is done.

    `name`: the worker's in `presence`.
    """

    def __init__(self, settings: Settings, queue: str, name: str) -> None:
        self._settings = settings
        training = Training(settings)
        self.health = WorkerHealth(settings, queue, name, training)
        self._server = MetricsServer(worker_registry(settings, queue, training), self.health.look)

    @property
    def port(self) -> int | None:
        """Where it is served; None: it is not."""
        return self._server.port

    def __enter__(self) -> Watched:
        self._server.start(self._settings)
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop()
