"""What is still there, as Discord says: somebody in a server, without the list of its members, and a channel."""

from __future__ import annotations

import discord
import structlog

from bot.background import DISCORD_ERRORS
from bot.errors import is_gone

_UNKNOWN_USER, _UNKNOWN_MEMBER = 10_013, 10_007
"""Discord's errors for somebody who is not in the server. It says other things are unknown when the bot is not."""

log = structlog.get_logger()


async def was_deleted(client: discord.Client, channel_id: int) -> bool:
    """Whether a channel is not there any more; False also when Discord does not say so."""
    try:
        await client.fetch_channel(channel_id)
    except (discord.InvalidData, *DISCORD_ERRORS) as error:
        log.info("channel_not_looked_up", channel_id=channel_id, error=type(error).__name__)
        return is_gone(error)
    return False


async def is_member(guild: discord.Guild, user_id: int) -> bool:
    """Ask Discord whether somebody is in a server.

    Raises:
        discord.HTTPException: Discord is in trouble, or the bot itself is no longer in it.
    """
    try:
        await guild.fetch_member(user_id)
    except discord.NotFound as error:
        if error.code not in (_UNKNOWN_USER, _UNKNOWN_MEMBER):
            raise
        return False
    return True
