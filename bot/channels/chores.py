"""Work that follows from what happened to people's words: each piece once, one after the other, until it is done."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import structlog
from redis.exceptions import RedisError

from bot.background import Service, is_transient, run_forever

Work = Callable[..., Awaitable[object]]
RETRY_S = 2.0

log = structlog.get_logger()


class Chores(Service):
    """What trouble of Redis or Discord interrupts is done again; any other error ends only its own piece of work.

    Kept in memory: whoever adds something finds it again after a restart, or has noted it in Redis.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._due: dict[tuple[Work, tuple[Any, ...]], float] = {}
        self._wakeup = asyncio.Event()

    def start(self) -> None:
        self.spawn(run_forever(self._name, self._step, every_s=None, wakeup=self._wakeup, retry_s=RETRY_S))

    def add(self, work: Work, *args: Any, after_s: float = 0.0) -> None:
        """Do it after so long, once, however often it is added until then."""
        due = asyncio.get_running_loop().time() + after_s
        self._due[work, args] = min(due, self._due.get((work, args), due))
        self._wakeup.set()

    async def _step(self) -> float | None:
        """Do all that is due; the seconds until more is."""
        loop = asyncio.get_running_loop()
        for (work, args), due in list(self._due.items()):
            if due > loop.time():
                continue
            del self._due[work, args]
            try:
                await work(*args)
            except Exception as error:
                if is_transient(error) or isinstance(error, RedisError):
                    self.add(work, *args)
                    raise
                log.exception("chore_failed", doing=work.__name__, of=[one for one in args if type(one) in (int, str)])
        return min(self._due.values()) - loop.time() if self._due else None
