"""Greets a server that the bot was invited to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import discord
import redis.asyncio
import structlog
from discord.ext import commands

from bot.background import DISCORD_ERRORS, reply
from bot.components import button, view
from bot.servers.settings import GuildSettingsStore
from bot.words import BLURPLE
from shared import keys
from shared.settings import Settings

NEW_FOR = timedelta(days=1)
"""A server that the bot joined earlier is not greeted, whatever Redis remembers."""

log = structlog.get_logger()


@dataclass(eq=False, repr=False)
class Welcome(commands.Cog):
    """Greets each new server once: in its system channel, or in the first channel where the bot may write."""

    client: discord.Client
    settings: Settings
    connection: redis.asyncio.Redis
    servers: GuildSettingsStore
    taste_minutes: float

    @commands.Cog.listener()
    async def on_ready(self) -> None:
        """Greet those that invited the bot while it was away: often before it ran for the first time."""
        for guild in self.client.guilds:
            await self.on_guild_join(guild)

    @commands.Cog.listener()
    async def on_guild_join(self, guild: discord.Guild) -> None:
        since = guild.me.joined_at
        if since is None or discord.utils.utcnow() - since > NEW_FOR:
            return
        try:
            channel = _channel(guild, (await self.servers.get(guild.id)).channels)
            key, kept_for = keys.greeted(guild.id), 2 * NEW_FOR
            if channel is None or not await reply(self.connection.set(key, 1, nx=True, ex=kept_for)):
                return
            minutes = min(self.settings.train_minutes, self.settings.train_max_minutes)
            embed = _greeting(await self.servers.prefix(guild.id), self.taste_minutes, minutes)
            label = f"A first taste: {self.taste_minutes:g} minutes of Frankenstein"
            await channel.send(embed=embed, view=view(button("taste", label=label, style=discord.ButtonStyle.primary)))
        except (redis.RedisError, *DISCORD_ERRORS) as error:
            log.warning("server_not_greeted", guild_id=guild.id, error=type(error).__name__)


def _channel(guild: discord.Guild, allowed: tuple[int, ...]) -> discord.TextChannel | None:
    """Where to greet: of the channels that the server's admins allow, if they chose any."""
    needed = discord.Permissions(view_channel=True, send_messages=True, embed_links=True)
    wanted = [one for one in (guild.system_channel, *guild.text_channels) if one is not None]
    fit = (one for one in wanted if not allowed or one.id in allowed)
    return next((one for one in fit if one.permissions_for(guild.me) >= needed), None)


def _greeting(prefix: str, taste_minutes: float, minutes: float) -> discord.Embed:
    """`minutes`: of a training that nobody gives a time."""
    return discord.Embed(
        title="Hello! I learn to write from any text, and talk back in its voice",
        description=(
            f"**A first taste:** press the button, and I read *Frankenstein* for {taste_minutes:g} minutes while you "
            f"watch. Then you can make me write. It takes about {taste_minutes + 1:g} minutes in all; if I can't "
            "fetch the book, I read Python's manual instead, which needs no internet.\n\n"
            f"**Then:** `{prefix}train frankenstein` reads for {minutes:g} minutes and writes better. Attach a `.txt` "
            f"file to `{prefix}train` to have me learn a text of yours. `{prefix}help` shows all I can do."
        ),
        colour=BLURPLE,
    )
