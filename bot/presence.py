"""Signs of life of this bot in Redis: that it runs, what troubles it, and its data's version."""

import asyncio
import time

import discord
import redis.asyncio
import structlog
from redis.exceptions import RedisError

from bot import gateway, intents
from bot.admin import metrics
from bot.background import BackgroundService, redis_call, run_forever
from bot.lock import RENEW_EVERY_S, AnotherBot, BotLock
from shared import keys, presence
from shared.settings import Settings
from shared.version import DATA_VERSION, require_version

log = structlog.get_logger()


class Presence(BackgroundService):
    """Keeps this bot's signs of life in Redis, and the lock that lets only one bot run."""

    def __init__(self, client: discord.Client, *, settings: Settings, connection: redis.asyncio.Redis) -> None:
        self._client = client
        self._settings = settings
        self._redis = connection
        self.lock = BotLock(connection)
        self.overtaken = False  # another bot has the lock, so this one is closed
        self.away_since: float | None = None  # when Discord or its gateway went away, monotonic

    def tell_of_trouble(self) -> None:
        """Begin to say in Redis what troubles this bot."""
        self.spawn(run_forever("tell_trouble", self._tell_trouble, every_s=presence.BEAT_S))

    async def take_lock(self) -> None:
        """Take the lock, and begin to keep it. Raises AnotherBot."""
        await self.lock.take()
        self.spawn(run_forever("lock", self._keep_lock, every_s=RENEW_EVERY_S, retry_at_most_s=RENEW_EVERY_S))

    def start(self) -> None:
        """Begin to say that this bot runs."""
        self.spawn(run_forever("presence", self._beat, every_s=presence.BEAT_S, retry_at_most_s=presence.BEAT_S))

    # ------------------------------------------------------------------ outages of Discord, and the lock

    def find_discord(self) -> None:
        self.away_since = None
        metrics.CONNECTED.set(1)

    def miss_discord(self) -> None:
        """Note that Discord, or its gateway, cannot be reached."""
        self.away_since = self.away_since or time.monotonic()
        metrics.CONNECTED.set(0)

    async def _tell_trouble(self) -> None:
        """Say in Redis, for `make run` to show, that Discord cannot be reached, or what it does not grant."""
        trouble = intents.missing(self._client, self._settings)
        if self.away_since is not None and time.monotonic() - self.away_since > gateway.AWAY_S:
            trouble = gateway.AWAY
        if trouble is not None:
            await presence.beat_async(self._redis, presence.TROUBLE, trouble)

    async def _keep_lock(self) -> None:
        """Renew the lock; if another bot has it, close this one. Raises redis.RedisError."""
        try:
            await self.lock.keep()
        except AnotherBot:
            self.overtaken = True
            self._client.loop.create_task(self._client.close())  # which cancels this task
            await asyncio.Event().wait()

    async def _beat(self) -> None:
        await presence.beat_async(self._redis, presence.BOT, str(self._client.user))

    # ------------------------------------------------------------------ the data's version

    async def require_version(self) -> None:
        """Write the number of the data into an empty Redis, or check it; not while Redis is away.

        Raises OtherVersion.
        """
        try:
            written = self._redis.set(keys.VERSION, DATA_VERSION, nx=True, get=True)
            require_version(await redis_call(written))
        except RedisError as error:
            log.warning("version_not_checked", error=type(error).__name__)
