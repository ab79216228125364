"""The metrics of a worker service: its jobs, the running training, texts written, GPUs. Imports no TensorFlow."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any, cast

import redis
from celery.worker.request import Request
from celery.worker.state import active_requests
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from pydantic import ValidationError

from shared import keys
from shared.connect import connect_once
from shared.events import Compared, Generated, Progress
from shared.jobs import GENERATE_QUEUE, TRAIN_QUEUE
from shared.metrics.registry import PATIENCE_S, new_registry
from shared.settings import Settings
from worker import gpus
from worker.events import JobEvents, Superseded

_LIBRARIES = ("tensorflow|tensorflow-cpu", "keras")
_GPU_EVERY_S = 10.0  # NVIDIA's tool takes up to a second

JOBS = Counter("galvanic_jobs", "Jobs that came to an end, by how.", ("kind", "outcome"), registry=None)
JOB_SECONDS = Histogram(
    "galvanic_job_seconds",
    "What the jobs took in the worker.",
    ("kind",),
    buckets=(0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3_600, 14_400),
    registry=None,
)
JOBS_RUNNING = Gauge("galvanic_jobs_running", "Jobs that this worker has.", ("kind",), registry=None)
KILLED = Counter("galvanic_training_processes_killed", "Trainings whose process ended without a word.", registry=None)
WRITTEN = Counter("galvanic_written_chars", "Characters that models wrote for people.", registry=None)
WRITING = Counter("galvanic_writing_seconds", "What writing them took, from a job's first character.", registry=None)


@contextmanager
def counted(kind: str, job_events: JobEvents) -> Iterator[None]:
    """Around a job of the generate worker: count it, and what it wrote."""
    begun = time.monotonic()
    try:
        with JOBS_RUNNING.labels(kind).track_inprogress():
            yield
    except Superseded:
        JOBS.labels(kind, "superseded").inc()
        raise
    JOB_SECONDS.labels(kind).observe(time.monotonic() - begun)
    JOBS.labels(kind, job_events.outcome).inc()
    match job_events.ended:
        case Generated(text=text, seconds=seconds):
            WRITTEN.inc(len(text))
            WRITING.inc(seconds)
        case Compared(texts=texts, seconds=seconds):
            WRITTEN.inc(sum(len(one.text) for one in texts))
            WRITING.inc(seconds)


class TrainingRequest(Request):  # type: ignore[misc]
    """Celery's request for a training, in the worker's parent process: counts how it ended, as its child says."""

    def send_event(self, type: str, **fields: Any) -> None:
        """Celery reports a success by its event alone, with what the task returned as `repr` gives it."""
        if type == "task-succeeded" and (outcome := fields["result"].strip("'")) != "None":
            JOBS.labels(TRAIN_QUEUE, outcome).inc()
            JOB_SECONDS.labels(TRAIN_QUEUE).observe(fields["runtime"])
        super().send_event(type, **fields)


class Training(Collector):
    """The training that this worker's child makes; its progress is its job's newest in Redis."""

    def __init__(self, settings: Settings, requests: Collection[Any] = active_requests) -> None:
        self._client = connect_once(settings, PATIENCE_S)
        self._requests = requests

    @property
    def running(self) -> Any | None:
        """Celery's request for it; None: the worker trains nothing."""
        return next(iter(self._requests), None)

    def progress(self) -> Progress | None:
        """None: no training runs, it has told nothing yet, or Redis cannot be asked."""
        if (request := self.running) is None:
            return None
        job_id, attempt = request.kwargs["job_id"], request.kwargs["attempt"]
        try:
            entry = cast(bytes | None, self._client.hget(keys.job(job_id), "progress"))
            if entry is None or not entry.startswith(b"%d-" % attempt):
                return None
            found = cast(list[Any], self._client.xrange(keys.job_events(job_id), entry.decode(), entry.decode()))
            return Progress.model_validate_json(found[0][1][b"event"]) if found else None
        except (redis.RedisError, ValidationError):
            return None

    def silent_s(self) -> float:
        """Seconds since it made headway; 0 if none runs."""
        request, at = self.running, self.progress()
        return 0.0 if request is None else time.time() - max(request.time_start or 0.0, at.at if at else 0.0)

    def collect(self) -> Iterator[Metric]:
        """Those of a training that is over are not shown any more."""
        JOBS_RUNNING.labels(TRAIN_QUEUE).set(self.running is not None)
        at = self.progress()
        for name, said, value in (
            ("heldout_loss_nats", "Loss on the held-out part, nats a character.", at.heldout_loss if at else None),
            ("loss_nats", "Loss on the part to learn from, nats a character.", at.train_loss if at else None),
            ("chars_per_second", "Characters that it learns from in a second.", at.chars_per_s if at else None),
            ("progress_ratio", "Share of the training that is done, 0 to 1.", at.share if at else None),
            ("remaining_seconds", "Time that is left, as it is expected.", at.eta_s if at else None),
            ("epoch", "The running epoch, from 1.", at.epoch if at else None),
        ):
            family = GaugeMetricFamily(f"galvanic_training_{name}", said)
            if value is not None:
                family.add_metric([], value)
            yield family


class Gpus(Collector):
    """Memory of the GPUs that this process may use."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._found: list[gpus.Gpu] = []
        self._asked: float | None = None

    def collect(self) -> Iterator[Metric]:
        with self._lock:
            if self._asked is None or time.monotonic() - self._asked > _GPU_EVERY_S:
                self._found, self._asked = gpus.visible(), time.monotonic()
            found = self._found
        used = GaugeMetricFamily("galvanic_gpu_memory_used_bytes", "By all programs.", labels=("gpu", "name"))
        size = GaugeMetricFamily("galvanic_gpu_memory_size_bytes", "All there is.", labels=("gpu", "name"))
        for gpu in found:
            used.add_metric([str(gpu.index), gpu.name], gpu.memory_used_mb * 2**20)
            size.add_metric([str(gpu.index), gpu.name], gpu.memory_total_mb * 2**20)
        yield used
        yield size


def worker_registry(settings: Settings, queue: str, training: Training) -> CollectorRegistry:
    registry = new_registry(queue, settings.data_dir, _LIBRARIES)
    registry.register(Gpus())
    if queue == TRAIN_QUEUE:
        registry.register(training)  # before the gauge of running jobs, which it sets
        registry.register(KILLED)
    for instrument in (JOBS, JOB_SECONDS, JOBS_RUNNING, *((WRITTEN, WRITING) if queue == GENERATE_QUEUE else ())):
        registry.register(instrument)
    return registry
