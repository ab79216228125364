"""The servers that this Discord application is in, and those that it left while the bot was off."""

import time
from dataclasses import dataclass

import discord
import redis.asyncio

from bot.background import redis_call
from shared import keys


@dataclass(frozen=True)
class JoinedServers:
    """Notes in Redis which Discord application is in a server.

    One Redis may have data of another application's servers, as after a start with another token or in the playground:
    that these are missing here does not mean that the bot left them.
    """

    client: discord.Client
    connection: redis.asyncio.Redis

    async def note(self) -> None:
        """Note the servers of now. One in an outage is among them."""
        own = str(self.client.application_id)
        if guild_ids := [str(guild.id) for guild in self.client.guilds]:
            await redis_call(self.connection.hset(keys.APPLICATIONS, mapping=dict.fromkeys(guild_ids, own)))
            await redis_call(self.connection.hdel(keys.LEFT, *guild_ids))

    async def left(self) -> list[int]:
        """Return the servers that this application was in and no longer is."""
        noted = await redis_call(self.connection.hgetall(keys.APPLICATIONS))
        ours = (int(guild_id) for guild_id, application in noted.items() if self._is_own(application))
        return [guild_id for guild_id in ours if self.client.get_guild(guild_id) is None]

    async def left_for(self, guild_id: int) -> float:
        """Return for how many seconds the bot has been gone from a server, since it first heard so; 0: it is there."""
        if self.client.get_guild(guild_id) is not None:
            return 0.0
        now = time.time()
        await redis_call(self.connection.hsetnx(keys.LEFT, str(guild_id), now))
        return now - float(await redis_call(self.connection.hget(keys.LEFT, str(guild_id))) or now)

    async def is_foreign(self, guild_id: int) -> bool:
        """Return whether another application is or was in a server, and this one is not: it can tell nothing of it."""
        if self.client.get_guild(guild_id) is not None:
            return False
        noted = await redis_call(self.connection.hget(keys.APPLICATIONS, str(guild_id)))
        return noted is not None and not self._is_own(noted)

    async def forget(self, guild_id: int) -> None:
        """Forget a server whose data is gone, unless the bot is in it again."""
        if self.client.get_guild(guild_id) is None:
            for noted in (keys.APPLICATIONS, keys.LEFT):
                await redis_call(self.connection.hdel(noted, str(guild_id)))

    def _is_own(self, application: bytes) -> bool:
        return application == str(self.client.application_id).encode()
