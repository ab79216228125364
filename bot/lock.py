"""One bot for one Redis: a lock that is kept as long as the bot runs."""

import secrets

import redis.asyncio
import structlog
from redis.asyncio.lock import Lock
from redis.exceptions import LockError, RedisError

from bot.background import REPLY_S, redis_call
from shared import keys

LIFETIME_S = 3.0
"""A bot that was killed keeps the next one waiting for so long. One that stands still for longer loses its lock, if
another one starts just then."""
RENEW_EVERY_S = 1.0
_LOOK_EVERY_S = 0.1
_WAIT_S = LIFETIME_S + 2

log = structlog.get_logger()


class AnotherBot(Exception):
    """Another bot runs with this Redis, so this one must end."""

    def __init__(self) -> None:
        super().__init__("Another bot runs with this Redis. Stop it first, or give this one its own (REDIS_URL).")


class BotLock:
    """The lock of this process."""

    def __init__(self, client: redis.asyncio.Redis) -> None:
        self.token = secrets.token_hex(8)
        self._client = client
        self._lock = Lock(client, keys.BOT_LOCK, timeout=LIFETIME_S, sleep=_LOOK_EVERY_S, thread_local=False)

    async def take(self) -> None:
        """Take the lock; wait for one that a killed bot left. While Redis is away, return; then `keep` takes it.

        Raises AnotherBot.
        """
        try:
            if await self._acquire(0):
                return
            log.warning("another_bot_runs", doing=f"waiting {_WAIT_S:g} s, in case it was killed")
            taken = await self._acquire(_WAIT_S)
            if not taken and await redis_call(self._client.pttl(keys.BOT_LOCK)) > 1_000 * LIFETIME_S:
                # Its bot was killed while the clock was ahead: no bot that runs leaves it so long a life.
                await redis_call(self._client.delete(keys.BOT_LOCK))
                taken = await self._acquire(0)
        except RedisError as error:
            log.warning("redis_unreachable", error=type(error).__name__)
            return
        if not taken:
            raise AnotherBot

    async def keep(self) -> None:
        """Renew the lock. If Redis has lost it, take it again.

        Raises AnotherBot; redis.RedisError: Redis is away.
        """
        try:
            await redis_call(self._lock.reacquire())
        except LockError as error:
            if not await self._acquire(_WAIT_S):
                raise AnotherBot from error

    async def leave(self) -> None:
        """Let the next bot begin at once."""
        try:
            await redis_call(self._lock.release())
        except LockError:  # it has none
            return
        except RedisError as error:
            log.warning("redis_unreachable", error=type(error).__name__)

    async def _acquire(self, within_s: float) -> bool:
        acquired = self._lock.acquire(blocking_timeout=within_s, token=self.token)
        return bool(await redis_call(acquired, within_s + REPLY_S))
