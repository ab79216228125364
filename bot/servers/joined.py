"""The servers that this Discord application is in, also as they were before it left them unheard."""

from dataclasses import dataclass

import discord
import redis.asyncio

from bot.background import redis_call
from shared import keys


@dataclass(frozen=True)
class JoinedServers:
    """Notes servers in Redis, by application.

    One Redis may have data of another application's servers, as after a start with another token or in the playground:
    that these are missing here does not mean that the bot left them.
    """

    client: discord.Client
    connection: redis.asyncio.Redis

    @property
    def _key(self) -> str:
        return keys.joined(self.client.application_id)

    async def note(self) -> None:
        """Note the servers of now. One in an outage is among them."""
        if guild_ids := [guild.id for guild in self.client.guilds]:
            await redis_call(self.connection.sadd(self._key, *guild_ids))

    async def left(self) -> list[int]:
        """Return the noted servers that the bot is no longer in."""
        noted = map(int, await redis_call(self.connection.smembers(self._key)))
        return [guild_id for guild_id in noted if self.client.get_guild(guild_id) is None]

    async def is_foreign(self, guild_id: int) -> bool:
        """Return whether the bot neither is in a server nor has just left it: it can tell nothing about it."""
        if self.client.get_guild(guild_id) is not None:
            return False
        return not await redis_call(self.connection.sismember(self._key, str(guild_id)))

    async def forget(self, guild_id: int) -> None:
        """Forget a server of which nothing is kept any more, unless the bot is in it again."""
        if self.client.get_guild(guild_id) is None:
            await redis_call(self.connection.srem(self._key, str(guild_id)))
