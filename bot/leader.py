"""One bot process per token: a second one with the same Redis waits until the first is gone."""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
import sys
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar, cast

import psutil
import redis.asyncio
import structlog
from redis.asyncio.client import Pipeline

from bot.background import DELETE_IF, redis_call
from shared import keys

GONE_AFTER_S = 10
"""A claim expires after this; it is renewed every `presence.BEAT_S`."""
_LOOK_EVERY_S = 1.0

# Who led once does not lead again after another one: its memory is out of date.
# KEYS: the leader, its term. ARGV: who asks, seconds, 1 if it has led.
_CLAIM = """
local now, last = redis.call('GET', KEYS[1]), redis.call('GET', KEYS[2])
if now and now ~= ARGV[1] then return now end
if ARGV[3] == '1' and last and last ~= ARGV[1] then return last end
redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
redis.call('SET', KEYS[2], ARGV[1])
return ARGV[1]
"""

T = TypeVar("T")
log = structlog.get_logger()


class Overtaken(redis.ConnectionError):
    """Another bot leads now. A Redis error, so that the one overtaken takes it for an outage."""


class Leader:
    """The claim of one bot process to speak for an application; before `wait` it claims and guards nothing."""

    def __init__(self, client: redis.asyncio.Redis) -> None:
        self._redis = client
        self._machine = _machine()
        self._name = f"{self._machine} {os.getpid()} {secrets.token_hex(4)}"
        self._keys: tuple[str, ...] = ()  # of who leads, and of who led last, even if its lead has lapsed
        self._has_led = False

    async def wait(self, application_id: int) -> None:
        """Return once no other bot speaks for this application, or if Redis is away and none was seen so far.

        One that was seen is still there when Redis goes away, so this one goes on waiting.
        """
        self._keys = keys.leader(application_id), keys.term(application_id)
        seen = False
        while True:
            try:
                if (other := await self._claim()) is None:
                    return
                if self._died(other):  # it was killed, and left no word
                    await self._leave(other)
                    continue
                if not seen:
                    log.warning("another_bot_runs", where=other.partition("/")[0], doing="waiting until it has stopped")
                seen = True
            except redis.RedisError as error:
                if not seen:
                    log.warning("redis_unreachable", error=type(error).__name__)
                    return  # `keep` asks again
            await asyncio.sleep(_LOOK_EVERY_S)

    async def keep(self) -> bool:
        """Renew the claim; False: another bot has taken over, so this one must stop. Raises redis.RedisError."""
        return not self._keys or await self._claim() is None

    async def step(self, work: Callable[[Pipeline], Awaitable[T]], *watched: str) -> T:
        """Change Redis in a transaction, and only while no other bot has taken over.

        A process may be suspended at any point for any time; what it decided before must not be written after that.
        Runs `work`, which reads and then, after `multi()`, queues; again if something watched changes meanwhile.

        Raises Overtaken: another bot leads, or has led since; redis.RedisError.
        """

        async def fenced(pipe: Pipeline) -> T:
            await self.require_term(pipe)
            return await work(pipe)

        transaction = self._redis.transaction(fenced, *watched, *self._keys[1:], value_from_callable=True)
        return cast(T, await redis_call(transaction))

    async def write(self, queue: Callable[[Pipeline], object]) -> None:
        """As `step`, of what depends on nothing that is read."""

        async def work(pipe: Pipeline) -> None:
            pipe.multi()
            queue(pipe)

        await self.step(work)

    async def require_term(self, client: redis.asyncio.Redis) -> None:
        """Raises Overtaken if another bot has led since this one does; redis.RedisError."""
        last = cast(bytes | None, await client.get(self._keys[1])) if self._keys else None
        if last is not None and last.decode() != self._name:
            raise Overtaken("another bot with this token has taken over")

    async def leave(self) -> None:
        """Let the next one begin at once."""
        try:
            await self._leave(self._name)
        except redis.RedisError as error:
            log.warning("redis_unreachable", error=type(error).__name__)

    async def _leave(self, name: str) -> None:
        if self._keys:
            await redis_call(self._redis.eval(DELETE_IF, 1, self._keys[0], name))

    async def _claim(self) -> str | None:
        """Take or keep the lead; the name of another bot that has it."""
        script = self._redis.eval(_CLAIM, 2, *self._keys, self._name, str(GONE_AFTER_S), str(int(self._has_led)))
        leader = cast(bytes, await redis_call(script)).decode()
        if leader != self._name:
            return leader
        self._has_led = True
        return None

    def _died(self, name: str) -> bool:
        """Whether that process ran on this machine, and does no more."""
        machine, pid, _ = name.split(" ")
        return machine == self._machine and (int(pid) == os.getpid() or not psutil.pid_exists(int(pid)))


def _machine() -> str:
    """This machine and, on Linux, its PID namespace: within it a process id is unique."""
    processes = Path("/proc/self/ns/pid").stat().st_ino if sys.platform == "linux" else 0
    host = socket.gethostname().replace(" ", "-")
    return f"{host}/{uuid.getnode():x}/{processes:x}"
