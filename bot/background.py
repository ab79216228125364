"""Background work and errors that pass by themselves: Redis with a limit on waiting, retries, supervised loops."""

import asyncio
import contextlib
import functools
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator
from typing import Any, TypeVar, cast

import aiohttp
import discord
import redis
import structlog

T = TypeVar("T")
Work = Callable[..., Awaitable[object]]
log = structlog.get_logger()

REPLY_S = 5.0  # limit on a reply of Redis, retries and handshakes included
PAUSES_S = (1.0, 4.0)  # pauses between tries to post something while Discord or Redis is in trouble
REDIS_DOWN = (redis.ConnectionError, redis.TimeoutError)
TRANSIENT = (aiohttp.ClientError, ConnectionError, TimeoutError, discord.DiscordServerError, discord.RateLimited)
"""Errors of Discord, or of the way to it, that pass. See `is_transient`, too."""
DISCORD_ERRORS = (discord.HTTPException, *TRANSIENT)  # all that a request to Discord may raise
TOO_MANY_REQUESTS = 429
"""discord.py raises this HTTP status only when a proxy in front of Discord sent it; Discord's own it waits out."""
_LOOKS = 20
CHORE_RETRY_S = 2.0


def is_transient(error: BaseException) -> bool:
    """Return whether the same request may well succeed later, without anybody's doing.

    A 403 or 404 without an error code of Discord's comes from a proxy in front of it.
    """
    stands_before = isinstance(error, discord.HTTPException) and (
        error.status == TOO_MANY_REQUESTS or (error.status in (403, 404) and not error.code)
    )
    return stands_before or isinstance(error, (*TRANSIENT, *REDIS_DOWN))


@contextlib.contextmanager
def unless_refused(tell: Callable[..., Any], event: str, **where: Any) -> Iterator[None]:
    """Log what Discord does not take, and go on. `tell`: a method of the log."""
    try:
        yield
    except DISCORD_ERRORS as error:
        tell(event, **where, error=type(error).__name__)


@contextlib.contextmanager
def failure_logged(event: str) -> Iterator[None]:
    """Log a failure, and go on: it must not keep others from their turn.

    Raises what says that Redis cannot be reached, so that the others could do nothing either.
    """
    try:
        yield
    except REDIS_DOWN:
        raise
    except Exception:
        log.exception(event)


async def redis_call(call: Awaitable[Any] | Any, limit_s: float = REPLY_S) -> Any:
    """Return the reply to a Redis command. redis-py types it as `Awaitable | value`; here it is awaitable.

    The limit counts only time in which the event loop could have taken the reply, so that a busy loop is no outage:
    it is checked in `_LOOKS` steps, each scheduled by the one before. Awaited here and not in a task, which would cost
    two more rounds of the loop, and might still read from its connection when that is cleared up.

    Raises redis.RedisError: unreachable, no reply in time, or refused.
    """
    loop = asyncio.get_running_loop()
    timer: asyncio.TimerHandle

    def look(looks: int) -> None:
        nonlocal timer
        if looks:
            timer = loop.call_later(limit_s / _LOOKS, look, looks - 1)
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
    """Pauses that double up to `most_s`, until `for_s` seconds have passed."""
    loop = asyncio.get_running_loop()
    ends = loop.time() + for_s
    while loop.time() < ends:
        yield first_s
        first_s = min(2 * first_s, most_s)


async def retry(
    call: Callable[[], Awaitable[T]],  # may be repeated although Discord took it, so a post needs a nonce
    event: str = "answer_not_posted_yet",  # logged for each try that failed
    *,
    pauses_s: Iterable[float] | None = None,  # None: `PAUSES_S`; `backoff()`: until it succeeds
    unless: Callable[[], bool] = lambda: False,  # stops the retries: the bot is being stopped
) -> T:
    """Call, and call again after each pause while Discord or Redis are in trouble.

    Raises what the last try raised, or the first error that is not transient.
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
    step: Callable[[], Awaitable[float | None]],  # may return how many seconds to wait before the next one
    *,
    every_s: float | None = 0.0,  # the wait if it returns None; None: until `wakeup`
    wakeup: asyncio.Event | None = None,  # ends a wait, but not one before a retry; set in a step, it brings another
    retry_s: float = 1.0,  # the first wait before a retry; it doubles each time
    retry_at_most_s: float = 5.0,
) -> None:
    """Repeat a step until cancelled. An error is logged once an outage, and the step is tried again."""
    wakeup = wakeup or asyncio.Event()
    wait_s: float | None = 0.0
    failed, pauses = "", backoff(retry_s, retry_at_most_s)
    while True:
        await (asyncio.sleep(next(pauses)) if failed else wait_for(wakeup, wait_s))
        wakeup.clear()
        try:
            pause = await step()
        except Exception as error:
            if type(error).__name__ != failed:
                log_failed(name, error)
            failed = type(error).__name__
        else:
            wait_s = every_s if pause is None else pause
            failed, pauses = "", backoff(retry_s, retry_at_most_s)


@contextlib.contextmanager
def reserve(claims: set[str], name: str) -> Iterator[bool]:
    """Keep a name among the claims within the block; False: somebody has it already."""
    if name in claims:
        yield False
        return
    claims.add(name)
    try:
        yield True
    finally:
        claims.discard(name)


async def wait_for(wakeup: asyncio.Event, within_s: float | None) -> bool:
    """Wait until woken (True) or for so long (False); others have their turn meanwhile in any case."""
    await asyncio.sleep(0)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(within_s):
            await wakeup.wait()
    return wakeup.is_set()


def log_failed(doing: str, error: BaseException) -> None:
    """Log an error of background work, with a traceback unless it passes by itself."""
    kind = type(error).__name__
    if isinstance(error, REDIS_DOWN):
        log.warning("redis_unreachable", doing=doing, error=kind)
    elif is_transient(error):
        log.warning("discord_unreachable", doing=doing, error=kind)
    else:
        log.error("background_failed", doing=doing, exc_info=error)


class BackgroundService:
    """Runs tasks in the background: their errors are logged, and all end with the service."""

    stopped = False

    def start(self) -> None:
        """Begin what goes on until `stop`."""

    @functools.cached_property
    def tasks(self) -> set[asyncio.Task[Any]]:
        """Return the tasks that run."""
        return set()

    def spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = asyncio.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self._done)
        return task

    async def stop(self) -> None:
        """Cancel all tasks, and wait until they have ended. The next start takes up what they left."""
        self.stopped = True
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    def _done(self, task: asyncio.Task[Any]) -> None:
        self.tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log_failed(task.get_coro().__qualname__, error)  # type: ignore[union-attr]


class Chores(BackgroundService):
    """Work that follows from what happened: each piece once, one after the other.

    What trouble of Redis or Discord interrupts is done again; any other error ends only its own piece of work.

    Kept in memory: whoever adds something finds it again after a restart, or has noted it in Redis.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._due: dict[tuple[Work, tuple[Any, ...]], float] = {}
        self._wakeup = asyncio.Event()

    def start(self) -> None:
        self.spawn(run_forever(self._name, self._step, every_s=None, wakeup=self._wakeup, retry_s=CHORE_RETRY_S))

    def add(self, work: Work, *args: Any, after_s: float = 0.0) -> None:
        """Do it after so long, once, however often it is added until then."""
        due = asyncio.get_running_loop().time() + after_s
        self._due[work, args] = min(due, self._due.get((work, args), due))
        self._wakeup.set()

    async def _step(self) -> float | None:
        """Do all that is due; return the seconds until more is."""
        loop = asyncio.get_running_loop()
        for (work, args), due in list(self._due.items()):
            if due > loop.time():
                continue
            del self._due[work, args]
            try:
                await work(*args)
            except Exception as error:
                if is_transient(error) or isinstance(error, redis.RedisError):
                    self.add(work, *args)
                    raise
                log.exception("chore_failed", doing=work.__name__, of=[arg for arg in args if type(arg) in (int, str)])
        return min(self._due.values()) - loop.time() if self._due else None
