"""What a job of the generate worker works with."""

from __future__ import annotations

from dataclasses import dataclass

import redis

from shared.settings import Settings
from worker.jobs.joblog import JobLog
from worker.serving.warm import WarmModels


@dataclass(frozen=True)
class JobContext:
    """The worker's parts, as one job needs them.

    Attributes:
        settings: of the process.
        client: of Redis, shared by all threads.
        joblog: of this job; its last event is published by who runs it.
        models: kept in memory, and the store behind them.
        until: when nobody waits for an answer any more (`time.monotonic`).
    """

    settings: Settings
    client: redis.Redis
    joblog: JobLog
    models: WarmModels
    until: float
