"""Renews the lease of a training's attempt, and its text in Redis, while the training makes headway."""

from __future__ import annotations

import time

import redis

from shared import keys, lifecycle
from shared.jobs import TrainJob
from worker.events import JobEvents, run_script
from worker.repeat import Repeating

RENEW_S = 10.0
STALLED_AFTER_S = 15 * 60
"""Without headway for so long a training counts as hung, and its lease lapses. Before the first step it makes none: the
text is read, TensorFlow imported, and the network compiled."""


class NoHeadway(Exception):
    """The training stalls, so its lease is left to lapse."""


class Lease(Repeating):
    """Renews the lease every ten seconds; call `touch` at each sign of headway.

    It does not renew while the training stalls; after that it keeps a lease that nobody took. `lost`: another attempt
    has the training, or will: this one was not heard of for too long, because its machine stood still or Redis was
    away. It must stop.
    """

    def __init__(self, client: redis.Redis, job: TrainJob, job_events: JobEvents, text_ttl_s: int) -> None:
        super().__init__(self._renew, RENEW_S, "lease_not_renewed")
        self._client = client
        self._script = lifecycle.renew(job.job_id, job_events.attempt, job_events.nonce)
        # How long a channel's words are kept is the bot's to say.
        self._text = keys.corpus(job.corpus.sha256) if job.corpus.transcript is None else None
        self._ttl = text_ttl_s
        self._touched = time.monotonic()
        self.lost = False

    def touch(self) -> None:
        self._touched = time.monotonic()

    def _renew(self) -> None:
        if time.monotonic() - self._touched > STALLED_AFTER_S:
            raise NoHeadway
        self.lost = not run_script(self._client, self._script)
        if self._text is not None:
            self._client.expire(self._text, self._ttl)
