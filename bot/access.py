"""Who may do what, and where. Asked at each command, button and form: rights change while a message stands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import discord

from shared.errors import UserError
from shared.jobs import Place

if TYPE_CHECKING:
    from bot.client import Galvanic

    Where = discord.abc.MessageableChannel | discord.interactions.InteractionChannel | None

Deed = Literal["train", "generate"]
_WORDS = {"train": "train models", "generate": "have texts written"}


def channel_ids(channel: Where) -> list[int]:
    """The channel, and for a thread its parent: what is the parent's may be used in the thread."""
    assert channel is not None
    if isinstance(channel, discord.Thread):
        return [channel.id, channel.parent_id]
    return [channel.id]


def place_of(guild_id: int, channel: Where, user_id: int) -> Place:
    """Where, and by whom, something was asked for."""
    here, *above = channel_ids(channel)
    return Place(guild_id=guild_id, channel_id=here, user_id=user_id, parent_channel_id=above[0] if above else None)


def is_admin(user: discord.User | discord.Member) -> bool:
    """Whether a person runs the server: Manage Server."""
    return isinstance(user, discord.Member) and user.guild_permissions.manage_guild


async def require(bot: Galvanic, deed: Deed, user: discord.User | discord.Member, channel: Where) -> None:
    """Refuse a person who may not do this here, by what the server's admins have set. Admins always may.

    Raises:
        UserError: says who may, or where.
        redis.RedisError: the server's settings are not known yet and Redis is away.
    """
    if not isinstance(user, discord.Member) or is_admin(user):
        return
    settings = await bot.guild_settings.get(user.guild.id)
    if settings.channels and not set(settings.channels) & set(channel_ids(channel)):
        places = ", ".join(f"<#{channel_id}>" for channel_id in settings.channels[:5])
        raise UserError("I'm not to be used in this channel.", f"This server's admins chose {places}.")
    wanted = settings.train_roles if deed == "train" else settings.generate_roles
    if wanted and not {role.id for role in user.roles} & set(wanted):
        names = [role.name for role in map(user.guild.get_role, wanted) if role is not None]
        those = ", ".join(f"**{discord.utils.escape_markdown(name)}**" for name in names[:5]) or "roles that are gone"
        raise UserError(
            f"You may not {_WORDS[deed]} in this server.", f"That is for members with {those}. Ask a server admin."
        )
