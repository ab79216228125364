"""Who may do what, and where. Checked at each command, button and form, because rights may have changed since."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import discord

from bot.escape import plain
from shared.errors import UserError
from shared.jobs import Place

if TYPE_CHECKING:
    from bot.client import Galvanic

    Where = discord.abc.MessageableChannel | discord.interactions.InteractionChannel | None

Action = Literal["train", "generate"]
_WORDS = {"train": "train models", "generate": "generate texts"}
_PRIVACY = frozenset({"privacy", "optout", "forget-me", "export-data"})
ANYWHERE = frozenset({"help", "settings", "status", "sync", "allow-training", "optin", *_PRIVACY})
"""Commands that work in any channel: they show or change settings, or are a member's right, and use no model."""
IN_DIRECT_MESSAGES = frozenset({"help", "status", "catalogue", "sync", *_PRIVACY})
"""Commands that need no server. The others work on a server's models, jobs or settings."""
WORKS_DIRECTLY = "`help`, `status`, `catalogue`, `privacy`, `optout`, `forget-me` and `export-data`"
"""Those of them that are for everybody, in words."""


class WrongPlace(UserError):
    """The server's admins do not want the bot in this channel."""


def servers_only() -> UserError:
    """The error for a command outside of a server that needs one."""
    return UserError(
        "This works in servers, not in direct messages.",
        f"Use it in a server's channel. Here I can do {WORKS_DIRECTLY}.",
    )


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
    """Whether a person has the permission Manage Server."""
    return isinstance(user, discord.Member) and user.guild_permissions.manage_guild


def require_admin(user: discord.User | discord.Member) -> None:
    """Refuse a person without the permission Manage Server.

    Raises:
        UserError: names the permission.
    """
    if not is_admin(user):
        raise UserError("Only members with Manage Server can see or change my settings.", "Ask one of them.")


async def require_command(
    bot: Galvanic, command: str, user: discord.User | discord.Member, guild: discord.Guild | None, channel: Where
) -> None:
    """Refuse a command that does not work here. `require` checks who may train or generate texts.

    Args:
        bot: the bot.
        command: its first word.
        user: who gave it.
        guild: the server, None in direct messages.
        channel: where.

    Raises:
        WrongPlace: see `require_place`.
        UserError: it needs a server.
        redis.RedisError: the server's settings are not known yet and Redis is away.
    """
    if guild is not None:
        if command not in ANYWHERE:
            await require_place(bot, user, channel)
    elif command not in IN_DIRECT_MESSAGES:
        raise servers_only()


async def require_place(bot: Galvanic, user: discord.User | discord.Member, channel: Where) -> None:
    """Refuse what the server's admins do not want in this channel. They themselves may use the bot everywhere.

    Raises:
        WrongPlace: says where the bot may be used.
        redis.RedisError: the server's settings are not known yet and Redis is away.
    """
    if not isinstance(user, discord.Member) or is_admin(user):
        return
    settings = await bot.guild_settings.get(user.guild.id)
    if not settings.channels or set(settings.channels) & set(channel_ids(channel)):
        return
    seen = [
        place.mention
        for place in map(user.guild.get_channel_or_thread, settings.channels)
        if place is not None and place.permissions_for(user).view_channel
    ]
    chosen = f"This server's admins allow me in {' and '.join(seen[:5])}."
    raise WrongPlace("I'm not allowed in this channel.", chosen if seen else "Ask a server admin where I can be used.")


async def require(bot: Galvanic, action: Action, user: discord.User | discord.Member, channel: Where) -> None:
    """Refuse a person who may not do this here, by what the server's admins have set. Admins always may.

    Raises:
        WrongPlace: see `require_place`.
        UserError: says who may.
        redis.RedisError: the server's settings are not known yet and Redis is away.
    """
    if not isinstance(user, discord.Member) or is_admin(user):
        return
    await require_place(bot, user, channel)
    settings = await bot.guild_settings.get(user.guild.id)
    wanted = settings.train_roles if action == "train" else settings.generate_roles
    if wanted and not {role.id for role in user.roles} & set(wanted):
        names = [role.name for role in map(user.guild.get_role, wanted) if role is not None]
        those = ", ".join(f"**{plain(name)}**" for name in names[:5]) or "roles that no longer exist"
        raise UserError(
            f"You can't {_WORDS[action]} in this server.", f"That is for members with {those}. Ask a server admin."
        )
