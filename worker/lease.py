"""Renews the lease of a training's attempt, and its text in Redis, while the training makes headway."""

from __future__ import annotations

import threading
import time

import redis
import structlog

from shared import keys, lifecycle
from shared.jobs import TrainJob
from worker.events import JobEvents, run_script

RENEW_S = 10.0
RENEW_AGAIN_S = 1.0  # while Redis is away: once it is back, the lease must be renewed before it counts as lapsed
STALLED_AFTER_S = 15 * 60
"""Without headway for so long a training counts as hung, and its lease lapses. Before the first step it makes none: the
text is read, TensorFlow imported, and the network compiled."""

log = structlog.get_logger()


class Lease(threading.Thread):
    """Renews the lease every ten seconds; use as a context manager and call `touch` at each sign of headway.

    `lost`: another attempt has the training, or will: this one was not heard of for too long, because its machine stood
    still or Redis was away. It must stop.
    """

    def __init__(self, client: redis.Redis, job: TrainJob, job_events: JobEvents, text_ttl_s: int) -> None:
        super().__init__(name="lease", daemon=True)
        self._client = client
        self._script = lifecycle.renew(job.job_id, job_events.attempt, job_events.nonce)
        # How long a channel's words are kept is the bot's to say.
        self._text = keys.corpus(job.corpus.sha256) if job.corpus.transcript is None else None
        self._ttl = text_ttl_s
        self._context = structlog.contextvars.get_contextvars()
        self._touched = time.monotonic()
        self._lapsed = False
        self._reachable = True
        self._done = threading.Event()
        self.lost = False

    def touch(self) -> None:
        self._touched = time.monotonic()

    def run(self) -> None:
        """Renew until `__exit__`, but not while the training stalls; after that it keeps a lease nobody took."""
        structlog.contextvars.bind_contextvars(**self._context)  # a new thread knows nothing of the job
        while not self._done.is_set():
            stalls = time.monotonic() - self._touched > STALLED_AFTER_S
            if stalls and not self._lapsed:
                log.error("lease_lapsed", reason="no headway", seconds=STALLED_AFTER_S)
            self._lapsed = stalls
            renewed = stalls or self._renew()
            self._done.wait(RENEW_S if renewed else RENEW_AGAIN_S)

    def _renew(self) -> bool:
        try:
            self.lost = not run_script(self._client, self._script)
            if self._text is not None:
                self._client.expire(self._text, self._ttl)
        except redis.RedisError as error:
            if self._reachable:
                log.warning("lease_not_renewed", error=type(error).__name__)
            self._reachable = False
            return False
        self._reachable = True
        return True

    def __enter__(self) -> Lease:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self.join(timeout=RENEW_S)
