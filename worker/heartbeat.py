"""Says that a worker is there, and what it does."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable

import redis

from shared import keys, presence
from shared.connect import connect
from shared.settings import Settings
from worker.repeat import Repeating

_LOOK_S = 0.2  # a worker that becomes free is noticed within this


class Heartbeat(Repeating):
    """Says it every two seconds, and at each change. At the end the worker counts as gone at once."""

    def __init__(self, settings: Settings, service: str, name: str, state: Callable[[], presence.State]) -> None:
        super().__init__(self._look, _LOOK_S, "redis_unreachable")
        self._client = connect(settings)
        self._service = service
        self._member = name
        self._state = state
        self._said = ""
        self._due = 0.0

    def _look(self) -> None:
        state = self._state()
        if state == self._said and time.monotonic() < self._due:
            return
        changed, self._said = state != self._said, ""  # after an outage it is said anew
        now = time.time()
        with self._client.pipeline() as pipe:
            pipe.zadd(keys.workers(self._service), {self._member: now + presence.EXPIRY_S})
            pipe.zremrangebyscore(keys.workers(self._service), "-inf", now - 60)
            if changed:  # `busy` is said with more words by what begins the job (`shared.lifecycle`)
                pipe.hset(keys.worker_states(self._service), self._member, state)
                pipe.xadd(keys.NOTIFICATIONS, {"worker": self._member}, maxlen=10_000)
            pipe.execute()
        self._said, self._due = state, time.monotonic() + presence.BEAT_S

    def __exit__(self, *_: object) -> None:
        super().__exit__()
        with contextlib.suppress(redis.RedisError):
            self._client.zrem(keys.workers(self._service), self._member)
            self._client.hdel(keys.worker_states(self._service), self._member)
