"""Whether somebody is still in a server, without the list of its members: that takes a privileged intent."""

from __future__ import annotations

import discord

_UNKNOWN_USER, _UNKNOWN_MEMBER = 10_013, 10_007
"""Discord's errors for somebody who is not in the server. It says other things are unknown when the bot is not."""


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
