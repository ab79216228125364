"""For every request to Discord: a pause when one is asked for, and a limit on how long one may take.

discord.py waits out Discord's own limits. A proxy in front of Discord refuses without the header `Via`, which
discord.py raises at once, so that everybody who posts would try again on their own.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from types import SimpleNamespace

import aiohttp
import structlog

from bot.background import TOO_MANY_REQUESTS

_UNTOLD_PAUSE_S = 1.0
"""For a refusal that does not say how long to wait."""
_LOOK_EVERY_S = 0.05
"""While a host is closed."""

log = structlog.get_logger()


@dataclass
class _Limit:
    timeout: asyncio.Timeout
    seconds: float
    over: bool = False


@dataclass
class _Gate:
    """One host. Once it has refused, one request at a time tries whether it takes them again."""

    closed_until: float | None = None
    tried: bool = False


_limit: ContextVar[_Limit | None] = ContextVar("_limit", default=None)


@asynccontextmanager
async def each_request_within(seconds: float) -> AsyncIterator[None]:
    """Raises TimeoutError: Discord took longer for one request, not counting the wait for one's turn."""
    async with asyncio.timeout(None) as timeout:
        limit = _Limit(timeout, seconds)
        token = _limit.set(limit)
        try:
            yield
        finally:
            limit.over = True
            _limit.reset(token)


class Pacing:
    """Lets no request out during a pause. `trace`: of the HTTP session of all discord.py's requests."""

    def __init__(self, trace: aiohttp.TraceConfig) -> None:
        self._gates: dict[str | None, _Gate] = defaultdict(_Gate)
        trace.on_request_start.append(self._begin)
        trace.on_request_end.append(self._answered)
        trace.on_request_exception.append(self._failed)

    async def _begin(
        self, _session: aiohttp.ClientSession, context: SimpleNamespace, begun: aiohttp.TraceRequestStartParams
    ) -> None:
        gate = self._gates[begun.url.host]
        context.tries = False
        while gate.closed_until is not None and not context.tries:
            if not gate.tried and time.monotonic() >= gate.closed_until:
                gate.tried = context.tries = True
            else:
                await asyncio.sleep(_LOOK_EVERY_S)
        _set_clock(running=True)

    async def _answered(
        self, _session: aiohttp.ClientSession, context: SimpleNamespace, ended: aiohttp.TraceRequestEndParams
    ) -> None:
        gate, headers = self._gates[ended.url.host], ended.response.headers
        if ended.response.status == TOO_MANY_REQUESTS and "Via" not in headers:
            pause = _seconds(headers.get("Retry-After"))
            log.warning("discord_asks_for_a_pause", pause_s=pause)
            gate.closed_until = max(gate.closed_until or 0.0, time.monotonic() + pause)
        elif context.tries:
            gate.closed_until = None
        self._over(gate, context)

    async def _failed(
        self, _session: aiohttp.ClientSession, context: SimpleNamespace, ended: aiohttp.TraceRequestExceptionParams
    ) -> None:
        self._over(self._gates[ended.url.host], context)

    @staticmethod
    def _over(gate: _Gate, context: SimpleNamespace) -> None:
        _set_clock(running=False)
        if context.tries:
            gate.tried = False


def _set_clock(*, running: bool) -> None:
    limit = _limit.get()
    if limit is not None and not limit.over and not limit.timeout.expired():
        limit.timeout.reschedule(asyncio.get_running_loop().time() + limit.seconds if running else None)


def _seconds(header: str | None) -> float:
    """`Retry-After`, which may also be a date: that is not read."""
    try:
        return max(0.0, float(header or _UNTOLD_PAUSE_S))
    except ValueError:
        return _UNTOLD_PAUSE_S
