"""The metrics of a worker's parent process: how jobs ended, and the running training's loss and speed."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any, cast

import redis
from celery.worker.request import Request
from celery.worker.state import active_requests
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from pydantic import ValidationError

from shared import keys
from shared.connect import connect_once
from shared.events import Progress
from shared.jobs import TRAIN_QUEUE
from shared.metrics import JOBS, PATIENCE_S
from shared.settings import Settings


class TrainingRequest(Request):  # type: ignore[misc]
    """Celery's request for a training, in the worker's parent process: counts how it ended, as its child says."""

    def send_event(self, type: str, **fields: Any) -> None:
        """Celery reports a success by its event alone, with what the task returned as `repr` gives it."""
        if type == "task-succeeded" and (outcome := fields["result"].strip("'")) != "None":
            JOBS.labels(TRAIN_QUEUE, outcome).inc()
        super().send_event(type, **fields)


class RunningTraining(Collector):
    """Loss and speed of the training that this worker's child makes, from its newest progress in Redis."""

    def __init__(self, settings: Settings, requests: Collection[Any] = active_requests) -> None:
        """Watch Celery's requests that are being carried out."""
        self._client = connect_once(settings, PATIENCE_S)
        self._requests = requests

    def _progress(self) -> Progress | None:
        """Return the newest progress; None: no training runs, it has told nothing yet, or Redis cannot be asked."""
        request = next(iter(self._requests), None)
        if request is None:
            return None
        job_id, attempt = request.kwargs["job_id"], request.kwargs["attempt"]
        try:
            entry = cast(bytes | None, self._client.hget(keys.job(job_id), "progress"))
            if entry is None or not entry.startswith(b"%d-" % attempt):
                return None
            events = cast(list[Any], self._client.xrange(keys.job_events(job_id), entry.decode(), entry.decode()))
            return Progress.model_validate_json(events[0][1][b"event"]) if events else None
        except (redis.RedisError, ValidationError):
            return None

    def collect(self) -> Iterator[Metric]:
        """Yield both families; they are empty while no training runs."""
        progress = self._progress()
        loss = GaugeMetricFamily(
            "galvanic_training_heldout_loss_nats", "Held-out loss of the running training, nats a character."
        )
        speed = GaugeMetricFamily("galvanic_training_chars_per_second", "Characters a second of the running training.")
        if progress is not None:
            for family, value in ((loss, progress.heldout_loss), (speed, progress.chars_per_s)):
                if value is not None:
                    family.add_metric([], value)
        yield from (loss, speed)
