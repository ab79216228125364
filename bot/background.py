"""What runs in the background, and what passes by itself: Redis with a limit on waiting, retries, supervised loops."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator
from typing import Any, TypeVar, cast

import aiohttp
import discord
import redis
import structlog
from kombu.exceptions import OperationalError

T = TypeVar("T")
log = structlog.get_logger()

REPLY_S = 5.0
"""A Redis that accepts and stays silent is given up after this, retries and handshakes included."""
PAUSES_S = (1.0, 4.0)
"""Between tries to post something while Discord or Redis are in trouble."""
REDIS_DOWN = (redis.ConnectionError, redis.TimeoutError, OperationalError)
"""What is raised while Redis cannot be reached, or does not answer."""
TRANSIENT = (aiohttp.ClientError, OSError, discord.DiscordServerError, discord.RateLimited)
"""What Discord or the way to it gets over by itself: the same request may do later. See `is_transient`, too."""
DISCORD_ERRORS = (discord.HTTPException, *TRANSIENT)
"""Whatever comes of a request to Discord that it refused, or that never reached it."""
TOO_MANY_REQUESTS = 429
"""HTTP status of a refusal that discord.py does not wait out: not Discord's own, but that of what stands before it."""
_LOOKS = 20


def is_transient(error: BaseException) -> bool:
    """Whether the same may well succeed later, without anybody's doing.

    Discord says by a code of its own what it forbids or does not know; a 403 or 404 without one is not Discord's.
    """
    stands_before = isinstance(error, discord.HTTPException) and (
        error.status == TOO_MANY_REQUESTS or (error.status in (403, 404) and not error.code)
    )
    return stands_before or isinstance(error, (*TRANSIENT, *REDIS_DOWN))


async def reply(call: Awaitable[Any] | Any, limit_s: float = REPLY_S) -> Any:
    """The reply to a command of Redis; redis-py types it as `Awaitable | value`, on the asyncio client it is awaitable.

    The limit is of time in which the event loop could have taken the reply: where many ask at once, a loop that comes
    round late is no outage. So the clock is looked at `_LOOKS` times, each some time after the look before.

    Raises:
        redis.RedisError: the server cannot be reached, does not answer in time, or takes nothing.
    """
    loop = asyncio.get_running_loop()
    timer: asyncio.TimerHandle

    def look(left: int) -> None:
        nonlocal timer
        if left:
            timer = loop.call_later(limit_s / _LOOKS, look, left - 1)
        else:
            limit.reschedule(loop.time())

    try:
        async with asyncio.timeout(None) as limit:
            timer = loop.call_later(limit_s / _LOOKS, look, _LOOKS - 1)
            try:
                return await cast(Awaitable[Any], call)
            finally:
                timer.cancel()
    except TimeoutError as error:
        raise redis.TimeoutError("no reply in time") from error


def backoff(first_s: float = 1.0, most_s: float = 60.0, *, for_s: float = float("inf")) -> Iterator[float]:
    """Pauses that double up to `most_s`, as long as less than `for_s` of the event loop's time has passed."""
    loop = asyncio.get_running_loop()
    ends = loop.time() + for_s
    while loop.time() < ends:
        yield first_s
        first_s = min(2 * first_s, most_s)


async def retry(
    call: Callable[[], Awaitable[T]],
    event: str = "answer_not_posted_yet",
    *,
    pauses_s: Iterable[float] | None = None,
    unless: Callable[[], bool] = lambda: False,
) -> T:
    """Do something, and again after each of the pauses while Discord or Redis are in trouble.

    Args:
        call: does it; what Discord took without saying so should not be posted twice by it.
        event: the log's line about each try that failed.
        pauses_s: `PAUSES_S` if None; `backoff()`: until it succeeds.
        unless: it is not tried again then: the bot is being stopped.

    Raises:
        Exception: what the last try raised, or the first that does not pass by itself.
    """
    for pause in PAUSES_S if pauses_s is None else pauses_s:
        try:
            return await call()
        except Exception as error:
            if unless() or not is_transient(error):
                raise
            log.warning(event, error=type(error).__name__)
        await asyncio.sleep(pause)
    return await call()


async def run_forever(
    name: str,
    step: Callable[[], Awaitable[float | None]],
    *,
    every_s: float | None = 0.0,
    after_s: float = 0.0,
    wakeup: asyncio.Event | None = None,
    retry_s: float = 1.0,
    retry_at_most_s: float = 5.0,
) -> None:
    """Do a step again and again until cancelled. What it raises is logged, once an outage, and it is done again.

    Args:
        name: for the log.
        step: may return how many seconds to wait before the next one.
        every_s: wait so long if it does not; None: until woken.
        after_s: before the first step.
        wakeup: ends a wait, though not one for the next try; what sets it during a step brings on another one.
        retry_s, retry_at_most_s: the first and the longest wait before it is tried again, which doubles each time.
    """
    wakeup = wakeup or asyncio.Event()
    wait_s: float | None = after_s
    while True:
        await woken(wakeup, wait_s)
        pauses, last = backoff(retry_s, retry_at_most_s), ""
        while True:
            wakeup.clear()
            try:
                given = await step()
                break
            except Exception as error:
                if (kind := type(error).__name__) != last:
                    _log_failed(name, error)
                last = kind
            await asyncio.sleep(next(pauses))
        wait_s = every_s if given is None else given


async def woken(wakeup: asyncio.Event, within_s: float | None) -> bool:
    """Wait until woken, or for so long; whether it was the former."""
    if within_s is not None and within_s <= 0:
        await asyncio.sleep(0)
        return wakeup.is_set()
    try:
        async with asyncio.timeout(within_s):
            return await wakeup.wait()
    except TimeoutError:
        return False


def _passes(error: BaseException) -> bool:
    """As `is_transient`; Redis may refuse a command while it starts, or is full."""
    return is_transient(error) or isinstance(error, redis.RedisError)


def _log_failed(name: str, error: Exception) -> None:
    if not _passes(error):
        log.error("background_failed", doing=name, exc_info=error)
    else:
        away = "redis_unreachable" if isinstance(error, (redis.RedisError, OperationalError)) else "discord_unreachable"
        log.warning(away, doing=name, error=type(error).__name__)


class Tasks:
    """The background tasks of one service: an error that ends one is logged, and all end with the service."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()
        self.ended = False

    def spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Begin one."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    async def end(self) -> None:
        """Cancel all, and wait until they have ended."""
        self.ended = True
        await end(*self._tasks)

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("background_failed", doing=task.get_coro().__qualname__, exc_info=error)  # type: ignore[union-attr]


async def end(*tasks: asyncio.Task[Any] | None) -> None:
    """Cancel tasks and wait until all have ended, however; None: one that was never begun."""
    begun = [task for task in tasks if task is not None]
    for task in begun:
        task.cancel()
    await asyncio.gather(*begun, return_exceptions=True)
