"""Greets a server that the bot was invited to."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import discord
import structlog
from discord.ext import commands
from redis.exceptions import RedisError

from bot import cards
from bot.failures import TRANSIENT
from bot.redis_reply import reply
from bot.train.start import TASTE_MINUTES
from bot.views.welcome import TasteButton
from shared import keys

if TYPE_CHECKING:
    from bot.client import Galvanic

NEW_FOR = timedelta(days=1)
"""A server that the bot came to before that is an old one, whatever Redis remembers."""

log = structlog.get_logger()


class Welcome(commands.Cog):
    """Greets each new server once: in its system channel, or in the first channel where the bot may write."""

    def __init__(self, bot: Galvanic) -> None:
        self.bot = bot

    @commands.Cog.listener()
    async def on_ready(self) -> None:
        """Greet those that invited the bot while it was away: often before it ran for the first time."""
        for guild in self.bot.guilds:
            await self.on_guild_join(guild)

    @commands.Cog.listener()
    async def on_guild_join(self, guild: discord.Guild) -> None:
        """Greet a server, if it is new and was not greeted before."""
        since = guild.me.joined_at
        if since is None or discord.utils.utcnow() - since > NEW_FOR:
            return
        try:
            own = await self.bot.guild_settings.get(guild.id)
            room = _room(guild, own.channels)
            if room is None or not await reply(self.bot.redis.set(keys.greeted(guild.id), 1, nx=True, ex=2 * NEW_FOR)):
                return
            minutes = min(self.bot.settings.train_minutes, self.bot.settings.train_max_minutes)
            embed = cards.welcome(await self.bot.prefix(guild), TASTE_MINUTES, minutes)
            await room.send(embed=embed, view=discord.ui.View(timeout=None).add_item(TasteButton()))
        except (RedisError, discord.HTTPException, *TRANSIENT) as error:
            log.warning("server_not_greeted", guild_id=guild.id, error=type(error).__name__)


def _room(guild: discord.Guild, allowed: tuple[int, ...]) -> discord.TextChannel | None:
    """Where to greet: of the channels that the server's admins allow, if they chose any."""
    for room in (guild.system_channel, *guild.text_channels):
        if room is not None and (not allowed or room.id in allowed):
            may = room.permissions_for(guild.me)
            if may.view_channel and may.send_messages and may.embed_links:
                return room
    return None


async def setup(bot: Galvanic) -> None:
    """Called by discord.py."""
    await bot.add_cog(Welcome(bot))
