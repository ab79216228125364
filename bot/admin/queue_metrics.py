"""What Redis knows of the whole installation: the queues, the workers, and its own memory."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import redis
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from shared import keys
from shared.jobs import GENERATE_QUEUE, TRAIN_QUEUE
from shared.presence import BOT

SERVICES = (BOT, TRAIN_QUEUE, GENERATE_QUEUE)
_MOST_AGES = 500
"""The oldest is looked for among this many waiting trainings with the smallest ids."""


@dataclass
class QueueState:
    """By queue or service, in seconds and bytes.

    Attributes:
        oldest_s: how long the oldest waiting job has waited.
        running: trainings that a worker has.
        processes: those heard of lately.
        undelivered: jobs whose end has not been shown yet, running ones too.
        stale: models that learned words which were withdrawn since.
        stale_s: how long that is known of the oldest.
        memory, memory_limit: Redis' own; None: this Redis user may not ask. A limit of 0 is none.
    """

    waiting: dict[str, int] = field(default_factory=dict)
    oldest_s: dict[str, float] = field(default_factory=dict)
    running: int = 0
    processes: dict[str, int] = field(default_factory=dict)
    undelivered: int = 0
    stale: int = 0
    stale_s: float = 0.0
    memory: int | None = None
    memory_limit: int | None = None


def read_state(client: redis.Redis) -> QueueState:
    """Four round trips. Raises redis.RedisError."""
    now = time.time()
    with client.pipeline(transaction=False) as pipe:
        pipe.hkeys(keys.ACTIVE)
        pipe.llen(GENERATE_QUEUE)
        pipe.lindex(GENERATE_QUEUE, -1)
        pipe.scard(keys.OUTBOX)
        pipe.hvals(keys.STALE)
        for service in SERVICES:
            pipe.zcount(keys.workers(service), now, "+inf")
        found = pipe.execute()
    active, texts, next_text, undelivered, stale, *processes = found
    with client.pipeline(transaction=False) as pipe:
        for job_id in active:
            pipe.hget(keys.job(job_id.decode()), "state")
        waiting = [job_id for job_id, state in zip(active, pipe.execute(), strict=True) if state == b"waiting"]
    since = [float(value) for value in stale]
    state = QueueState(
        waiting={TRAIN_QUEUE: len(waiting), GENERATE_QUEUE: texts},
        running=len(active) - len(waiting),
        processes=dict(zip(SERVICES, processes, strict=True)),
        undelivered=undelivered,
        stale=len(since),
        stale_s=max(0.0, now - min(since)) if since else 0.0,
    )
    oldest = {
        TRAIN_QUEUE: sorted(job_id.decode() for job_id in waiting)[:_MOST_AGES],
        GENERATE_QUEUE: [job_id] if (job_id := _job_of(next_text)) else [],
    }
    for queue, job_ids in oldest.items():
        entered = _entered(client, job_ids)
        state.oldest_s[queue] = max(0.0, now - min(entered)) if entered else 0.0
    state.memory, state.memory_limit = _memory(client)
    return state


def _job_of(message: bytes | None) -> str | None:
    """The job of a Celery message, whose id begins with the job's (`bot.jobs.client`)."""
    try:
        message_id = json.loads(message or b"")["headers"]["id"]
    except (ValueError, KeyError, TypeError):
        return None
    return "-".join(message_id.split("-")[:2]) if isinstance(message_id, str) else None


def _entered(client: redis.Redis, job_ids: list[str]) -> list[float]:
    """When jobs were submitted, in seconds since the epoch."""
    if not job_ids:
        return []
    with client.pipeline(transaction=False) as pipe:
        for job_id in job_ids:
            pipe.hget(keys.job(job_id), "entered_at")
        return [float(at) for at in pipe.execute() if at is not None]


def _memory(client: redis.Redis) -> tuple[int | None, int | None]:
    try:
        told = client.info("memory")
        return int(told["used_memory"]), int(told.get("maxmemory", 0))
    except (redis.ResponseError, KeyError, ValueError):  # its user may not, or it is no Redis of the usual kind
        return None, None


class Queues(Collector):
    def __init__(self, client: redis.Redis) -> None:
        self._client = client

    def collect(self) -> Iterator[Metric]:
        """All families, empty but for `galvanic_redis_up` while Redis is away."""
        state: QueueState | None = None
        with contextlib.suppress(redis.RedisError):
            state = read_state(self._client)
        up = GaugeMetricFamily("galvanic_redis_up", "1 while Redis answers.", value=float(state is not None))
        waiting = _family("galvanic_queue_jobs", "Jobs that wait for a worker.", "queue")
        oldest = _family("galvanic_queue_oldest_seconds", "For how long the oldest of them has waited.", "queue")
        running = _family("galvanic_trainings_running", "Trainings that a worker has.")
        processes = _family("galvanic_processes", "Processes of all hosts that were heard of lately.", "service")
        undelivered = _family("galvanic_jobs_undelivered", "Jobs whose end has not been shown yet, running ones too.")
        stale = _family("galvanic_stale_models", "Models that learned words which were withdrawn since.")
        stale_s = _family("galvanic_stale_models_oldest_seconds", "For how long that is known of the oldest.")
        memory = _family("galvanic_redis_memory_bytes", "What Redis holds in memory.")
        limit = _family("galvanic_redis_memory_limit_bytes", "What it may hold; 0: as much as there is.")
        if state is not None:
            for queue, depth in state.waiting.items():
                waiting.add_metric([queue], depth)
                oldest.add_metric([queue], state.oldest_s[queue])
            for service, count in state.processes.items():
                processes.add_metric([service], count)
            running.add_metric([], state.running)
            undelivered.add_metric([], state.undelivered)
            stale.add_metric([], state.stale)
            stale_s.add_metric([], state.stale_s)
            if state.memory is not None and state.memory_limit is not None:
                memory.add_metric([], state.memory)
                limit.add_metric([], state.memory_limit)
        yield from (up, waiting, oldest, running, processes, undelivered, stale, stale_s, memory, limit)


def _family(name: str, said: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, said, labels=labels)
