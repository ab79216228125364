"""Who is there: each process says so in Redis every few seconds, and counts as gone when it no longer does.

A service is a queue name (`train`, `generate`) or `bot`.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Literal, cast

import redis
import redis.asyncio
import structlog

from shared import keys
from shared.connect import connect

if TYPE_CHECKING:
    from shared.settings import Settings

BOT = "bot"
TROUBLE = "bot-trouble"  # not a service: what keeps the bot from Discord, as a sentence in place of a name
NAME_VARIABLE = "GALVANIC_WORKER_NAME"  # a worker's name, for the processes and threads in which it does its jobs
BEAT_S = 2.0
EXPIRY_S = 6.0  # a killed process counts as gone after this: a card must say "no worker" within 10 s

_LOOK_S = 0.2  # a worker that becomes free is noticed within this

State = Literal["free", "busy", "draining"]
log = structlog.get_logger()


def own_name() -> str:
    """The name of the worker that this process is, or is a child of."""
    return os.environ.get(NAME_VARIABLE, "")


def alive(client: redis.Redis, service: str) -> list[str]:
    return _names(cast(list[bytes], client.zrangebyscore(keys.workers(service), time.time(), "+inf")))


async def alive_async(client: redis.asyncio.Redis, service: str) -> list[str]:
    reply = client.zrangebyscore(keys.workers(service), time.time(), "+inf")
    return _names(await cast(Awaitable[list[bytes]], reply))


async def beat_async(client: redis.asyncio.Redis, service: str, name: str) -> None:
    """Say once that `name` is there; forget those long gone."""
    now = time.time()
    async with client.pipeline(transaction=False) as pipe:
        pipe.zadd(keys.workers(service), {name: now + EXPIRY_S})
        pipe.zremrangebyscore(keys.workers(service), "-inf", now - 60)
        await pipe.execute()


def _names(members: list[bytes]) -> list[str]:
    return [member.decode() for member in members]


class Heartbeat(threading.Thread):
    """Says every two seconds, and at each change, that a worker is there and what it does, until stopped."""

    def __init__(self, settings: Settings, service: str, name: str, state: Callable[[], State]) -> None:
        super().__init__(name="heartbeat", daemon=True)
        self._client = connect(settings)
        self._service = service
        self._member = name
        self._state = state
        self._stopping = threading.Event()

    def run(self) -> None:
        """Beat until `stop`; an outage of Redis is logged once and waited out."""
        reachable, said, due = True, "", 0.0
        while not self._stopping.is_set():
            state = self._state()
            if state != said or time.monotonic() >= due:
                try:
                    self._beat(state, changed=state != said)
                    if not reachable:
                        log.info("redis_back", service=self._service)
                    reachable, said = True, state
                except redis.RedisError as error:
                    if reachable:
                        log.warning("redis_unreachable", service=self._service, error=type(error).__name__)
                    reachable, said = False, ""
                due = time.monotonic() + BEAT_S
            self._stopping.wait(_LOOK_S if reachable else BEAT_S)

    def _beat(self, state: State, *, changed: bool) -> None:
        now = time.time()
        with self._client.pipeline() as pipe:
            pipe.zadd(keys.workers(self._service), {self._member: now + EXPIRY_S})
            pipe.zremrangebyscore(keys.workers(self._service), "-inf", now - 60)
            if changed:  # `busy` is said with more words by what begins the job (`shared.lifecycle`)
                pipe.hset(keys.worker_states(self._service), self._member, state)
                pipe.xadd(keys.NOTIFICATIONS, {"worker": self._member}, maxlen=10_000)
            pipe.execute()

    def stop(self) -> None:
        """The worker counts as gone at once."""
        self._stopping.set()
        self.join(timeout=BEAT_S + 1)
        try:
            self._client.zrem(keys.workers(self._service), self._member)
            self._client.hdel(keys.worker_states(self._service), self._member)
        except redis.RedisError as error:
            log.warning("redis_unreachable", service=self._service, error=type(error).__name__)
