"""What Redis knows of the whole installation: the queues, the workers, and its own memory."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Iterable, Iterator
from typing import Any

import redis
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from shared import keys
from shared.jobs import GENERATE_QUEUE, TRAIN_QUEUE
from shared.presence import BOT

SERVICES = (BOT, TRAIN_QUEUE, GENERATE_QUEUE)
_FAMILIES = (
    ("queue_jobs", "queue", "Jobs that wait for a worker."),
    ("queue_oldest_seconds", "queue", "For how long the oldest of them has waited."),
    ("trainings_running", "", "Trainings that a worker has."),
    ("processes", "service", "Processes of all hosts that were heard of lately."),
    ("jobs_undelivered", "", "Jobs whose end has not been shown yet, running ones too."),
    ("stale_models", "", "Models that learned words which were withdrawn since."),
    ("stale_models_oldest_seconds", "", "For how long that is known of the oldest."),
    ("redis_memory_bytes", "", "What Redis holds in memory."),
    ("redis_memory_limit_bytes", "", "What it may hold; 0: as much as there is."),
)
_JOB_ID = re.compile(rb'"id": ?"([a-z]-[^-"]+)')
"""The job's, with which the id of a Celery message begins."""
Figures = dict[str, dict[str, float]]
"""Numbers by the metric's name and its label's value; without a label: ""."""


def read_figures(client: redis.Redis) -> Figures:
    """Three round trips. Raises redis.RedisError."""
    now = time.time()
    with client.pipeline(transaction=False) as pipe:
        pipe.hkeys(keys.ACTIVE)
        pipe.llen(GENERATE_QUEUE)
        pipe.lindex(GENERATE_QUEUE, -1)
        pipe.scard(keys.OUTBOX)
        pipe.hvals(keys.STALE)
        for service in SERVICES:
            pipe.zcount(keys.workers(service), now, "+inf")
        active, texts, next_text, undelivered, stale, *processes = pipe.execute()
    text = [found[1]] if (found := _JOB_ID.search(next_text or b"")) else []
    with client.pipeline(transaction=False) as pipe:
        for job_id in (*active, *text):
            pipe.hmget(keys.job(job_id.decode()), "state", "entered_at")
        records = pipe.execute()
    waiting = [entered for state, entered in records[: len(active)] if state == b"waiting"]
    figures = {
        "queue_jobs": {TRAIN_QUEUE: len(waiting), GENERATE_QUEUE: texts},
        "queue_oldest_seconds": {
            TRAIN_QUEUE: _oldest_s(waiting, now),
            GENERATE_QUEUE: _oldest_s([entered for _, entered in records[len(active) :]], now),
        },
        "trainings_running": {"": len(active) - len(waiting)},
        "processes": dict(zip(SERVICES, processes, strict=True)),
        "jobs_undelivered": {"": undelivered},
        "stale_models": {"": len(stale)},
        "stale_models_oldest_seconds": {"": max(0.0, now - min(map(float, stale), default=now))},
    }
    with contextlib.suppress(redis.ResponseError):  # its user may not ask
        used, limit = memory_of(client.info("memory"))
        figures |= {"redis_memory_bytes": {"": used}, "redis_memory_limit_bytes": {"": limit}}
    return figures


def memory_of(told: dict[str, Any]) -> tuple[int, int]:
    """Bytes that Redis holds, and its limit (0: none), from its `INFO memory`."""
    return int(told["used_memory"]), int(told.get("maxmemory", 0))


def _oldest_s(entered: Iterable[bytes | None], now: float) -> float:
    return max((now - float(at) for at in entered if at is not None), default=0.0)


class Queues(Collector):
    def __init__(self, client: redis.Redis) -> None:
        self._client = client

    def collect(self) -> Iterator[Metric]:
        """All families, empty but for `galvanic_redis_up` while Redis is away."""
        figures: Figures | None = None
        with contextlib.suppress(redis.RedisError):
            figures = read_figures(self._client)
        yield GaugeMetricFamily("galvanic_redis_up", "1 while Redis answers.", value=float(figures is not None))
        for name, label, said in _FAMILIES:
            family = GaugeMetricFamily(f"galvanic_{name}", said, labels=[label] if label else [])
            for value, number in (figures or {}).get(name, {}).items():
                family.add_metric([value] if label else [], number)
            yield family
