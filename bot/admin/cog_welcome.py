"""Greets a server that the bot was invited to."""

from __future__ import annotations

from datetime import timedelta

import discord
import redis.asyncio
import structlog
from discord.ext import commands
from redis.exceptions import RedisError

from bot.admin import embeds
from bot.background import DISCORD_ERRORS, reply
from bot.components import button, view
from bot.servers.settings import GuildSettingsStore
from shared import keys
from shared.settings import Settings

NEW_FOR = timedelta(days=1)
"""A server that the bot joined earlier is not greeted, whatever Redis remembers."""

log = structlog.get_logger()


class Welcome(commands.Cog):
    """Greets each new server once: in its system channel, or in the first channel where the bot may write."""

    def __init__(
        self,
        client: discord.Client,
        settings: Settings,
        connection: redis.asyncio.Redis,
        servers: GuildSettingsStore,
        taste_minutes: float,
    ) -> None:
        self._client = client
        self._minutes = min(settings.train_minutes, settings.train_max_minutes)
        self._redis = connection
        self._servers = servers
        self._taste_minutes = taste_minutes

    @commands.Cog.listener()
    async def on_ready(self) -> None:
        """Greet those that invited the bot while it was away: often before it ran for the first time."""
        for guild in self._client.guilds:
            await self.on_guild_join(guild)

    @commands.Cog.listener()
    async def on_guild_join(self, guild: discord.Guild) -> None:
        since = guild.me.joined_at
        if since is None or discord.utils.utcnow() - since > NEW_FOR:
            return
        try:
            own = await self._servers.get(guild.id)
            channel = _channel(guild, own.channels)
            if channel is None or not await reply(self._redis.set(keys.greeted(guild.id), 1, nx=True, ex=2 * NEW_FOR)):
                return
            embed = embeds.welcome(await self._servers.prefix(guild.id), self._taste_minutes, self._minutes)
            label = f"A first taste: {self._taste_minutes:g} minutes of Frankenstein"
            await channel.send(embed=embed, view=view(button("taste", label=label, style=discord.ButtonStyle.primary)))
        except (RedisError, *DISCORD_ERRORS) as error:
            log.warning("server_not_greeted", guild_id=guild.id, error=type(error).__name__)


def _channel(guild: discord.Guild, allowed: tuple[int, ...]) -> discord.TextChannel | None:
    """Where to greet: of the channels that the server's admins allow, if they chose any."""
    for channel in (guild.system_channel, *guild.text_channels):
        if channel is not None and (not allowed or channel.id in allowed):
            may = channel.permissions_for(guild.me)
            if may.view_channel and may.send_messages and may.embed_links:
                return channel
    return None
