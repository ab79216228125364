"""The metrics and health of a worker service: jobs, the running training, texts, GPUs. Imports no TensorFlow."""

from __future__ import annotations

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
from shared.metrics import PATIENCE_S, UNKNOWN, Health, new_registry, version_of
from shared.settings import Settings
from worker import gpus
from worker.beside import STALLED_AFTER_S
from worker.events import JobEvents, Superseded

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


class Gpus(Collector):
    """Memory of the GPUs that this process may use."""

    def collect(self) -> Iterator[Metric]:
        used = GaugeMetricFamily("galvanic_gpu_memory_used_bytes", "By all programs.", labels=("gpu", "name"))
        size = GaugeMetricFamily("galvanic_gpu_memory_size_bytes", "All there is.", labels=("gpu", "name"))
        for gpu in gpus.visible():
            used.add_metric([str(gpu.index), gpu.name], gpu.memory_used_mb * 2**20)
            size.add_metric([str(gpu.index), gpu.name], gpu.memory_total_mb * 2**20)
        yield from (used, size)


class Watched(Collector):
    """What can be seen of a worker service from outside: its health, and the training that its child makes.

    A training's progress is its job's newest in Redis.
    """

    def __init__(self, settings: Settings, queue: str, name: str, requests: Collection[Any] = active_requests) -> None:
        """`name`: the worker's in `presence`."""
        self._settings = settings
        self._client = connect_once(settings, PATIENCE_S)
        self._queue = queue
        self._name = name
        self._requests = requests
        self._missing = "What writes texts is still being compiled." if queue == GENERATE_QUEUE else ""

    def compile(self) -> None:
        """What writes texts, where nothing is kept: seconds that the first person to ask need not wait."""
        try:
            from galvanic.streams import compile_loop

            compile_loop()
        except BaseException as error:
            self._missing = (
                f"What writes texts cannot be compiled ({type(error).__name__}); `python -m worker doctor` says more."
            )
            raise
        self._missing = ""

    @property
    def registry(self) -> CollectorRegistry:
        tensorflow = next((v for v in map(version_of, ("tensorflow", "tensorflow-cpu")) if v != UNKNOWN), UNKNOWN)
        registry = new_registry(self._queue, self._settings.data_dir, tensorflow=tensorflow, keras=version_of("keras"))
        # The training goes before the gauge of running jobs, which it sets.
        own = (self, KILLED) if self._queue == TRAIN_QUEUE else (WRITTEN, WRITING)
        for collector in (Gpus(), *own, JOBS, JOB_SECONDS, JOBS_RUNNING):
            registry.register(collector)
        return registry

    @property
    def _running(self) -> Any | None:
        """Celery's request for a training; None: the worker trains nothing."""
        return next(iter(self._requests), None) if self._queue == TRAIN_QUEUE else None

    def _progress(self) -> Progress | None:
        """None: no training runs, it has told nothing yet, or Redis cannot be asked."""
        if (request := self._running) is None:
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

    def collect(self) -> Iterator[Metric]:
        """Those of a training that is over are not shown any more."""
        JOBS_RUNNING.labels(TRAIN_QUEUE).set(self._running is not None)
        at = self._progress()
        for name, said, field in (
            ("heldout_loss_nats", "Loss on the held-out part, nats a character.", "heldout_loss"),
            ("loss_nats", "Loss on the part to learn from, nats a character.", "train_loss"),
            ("chars_per_second", "Characters that it learns from in a second.", "chars_per_s"),
            ("progress_ratio", "Share of the training that is done, 0 to 1.", "share"),
            ("remaining_seconds", "Time that is left, as it is expected.", "eta_s"),
            ("epoch", "The running epoch, from 1.", "epoch"),
        ):
            family = GaugeMetricFamily(f"galvanic_training_{name}", said)
            if (value := getattr(at, field, None)) is not None:
                family.add_metric([], value)
            yield family

    def health(self) -> Health:
        problems = [said for said in (self._not_heard_of(), self._missing) if said]
        if (request := self._running) is not None:
            at = self._progress()
            silent_s = time.time() - max(request.time_start or 0.0, at.at if at else 0.0)
            if silent_s > STALLED_AFTER_S:
                problems.append(f"The running training has made no headway for {silent_s / 60:.0f} minutes.")
        return Health(self._queue, tuple(problems), "" if request is None else "a training runs")

    def _not_heard_of(self) -> str:
        try:
            expiry = self._client.zscore(keys.workers(self._queue), self._name)
        except redis.RedisError as error:
            return f"Redis cannot be reached ({type(error).__name__})."
        if expiry is None:
            return "It is not yet, or no longer, in Redis' list of workers: it gets no jobs."
        late_s = time.time() - float(expiry)
        return f"Its heartbeat stopped {late_s:.0f} s ago: it counts as gone." if late_s > 0 else ""
