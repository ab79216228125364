"""Which channels may be learned from: what the operator, the server's admins and Discord's permissions say."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import discord
import structlog
from discord import app_commands

from bot import failures
from bot.escape import plain
from bot.options.autocomplete import choices
from bot.servers.actor import Actor
from shared.errors import UserError

if TYPE_CHECKING:
    from bot.client import Galvanic

Source = discord.TextChannel | discord.ForumChannel | discord.Thread
_MENTION = re.compile(r"<#(\d{1,20})>")
_NEEDED = {"view_channel": "View Channel", "read_message_history": "Read Message History"}

log = structlog.get_logger()


def is_channel(typed: str) -> bool:
    """Whether somebody named a channel, and not a text: `#general`, or what Discord's client makes of that."""
    return typed.strip().startswith("#") or _MENTION.fullmatch(typed.strip()) is not None


def require_on(bot: Galvanic) -> None:
    """Refuse while the operator has not turned learning from channels on.

    Raises:
        UserError: says so, and what for.
    """
    if bot.settings.channel_training == "off":
        raise UserError(
            "Learning from channels is turned off.",
            "It needs Discord's permission and the members' consent: the bot's operator can turn it on with "
            "`CHANNEL_TRAINING=opt-in`, after reading docs/privacy.md. Texts and attached files work as always.",
        )


async def find(bot: Galvanic, who: Actor, typed: str) -> Source:
    """The channel or public thread that was named, if this person may have the bot read it, and show it here.

    Raises:
        UserError: there is none that they can read (a hidden one gets the same answer), it is no text channel, the
            server's admins have not allowed it, the bot cannot read it, or not everybody here could read it.
        discord.HTTPException: Discord is in trouble.
    """
    require_on(bot)
    channel = await _named(bot, who, typed)
    if channel is None or not _reads(channel, who.user):
        shown = typed.strip()[:60].replace("`", "")
        raise UserError(f"I can't find a channel `{shown}` that you can read.", "Name one, such as `#general`.")
    assert not isinstance(channel, discord.abc.PrivateChannel)
    if not isinstance(channel, Source) or (isinstance(channel, discord.Thread) and channel.is_private()):
        raise UserError(
            f"I don't learn from {channel.mention}.",
            "I learn from text channels, forums and public threads; not from private threads and voice channels.",
        )
    await require_allowed(bot, channel)
    await _require_anybody(bot, channel)
    here = who.channel
    if not isinstance(here, discord.abc.GuildChannel | discord.Thread) or not bot.audience.reads(
        channel.guild, here, _room(channel)
    ):
        raise UserError(
            f"Not everybody who reads this channel can read {channel.mention}, so I can't learn it here.",
            f"Give the command in {channel.mention} itself, or where only its readers are.",
        )
    return channel


async def _require_anybody(bot: Galvanic, channel: Source) -> None:
    """Refuse to read for nothing.

    Raises:
        UserError: nobody has agreed.
        redis.RedisError: Redis cannot be reached.
    """
    consents = await bot.consents.of(channel.guild.id)
    if consents.mode == "opt-in" and not consents.agreed:
        prefix = await bot.guild_settings.prefix(channel.guild.id)
        raise UserError(
            "No member of this server has agreed yet that I learn from their messages.",
            f"They can with `{prefix}optin`, which first tells them what it means.",
        )


async def require_allowed(bot: Galvanic, channel: Source) -> None:
    """Refuse a channel that the server's admins have not allowed, or that the bot cannot read.

    Raises:
        UserError: says what is missing.
        redis.RedisError: Redis cannot be reached.
    """
    require_on(bot)
    guild, room = channel.guild, _room(channel)
    if room.id not in await bot.consents.allowed(guild.id):
        prefix = await bot.guild_settings.prefix(guild.id)
        raise UserError(
            f"This server's admins haven't allowed me to learn from {room.mention}.",
            # Not its name: a mention shows it only to those who see the channel.
            f"A member with Manage Server can, with `{prefix}allow-training #CHANNEL`.",
        )
    require_readable(room)


def require_readable(room: discord.TextChannel | discord.ForumChannel) -> None:
    """Refuse a channel that the bot cannot read.

    Raises:
        UserError: says which permissions are missing.
    """
    have = room.permissions_for(room.guild.me)
    missing = [title for name, title in _NEEDED.items() if not getattr(have, name)]
    if missing:
        raise UserError(
            f"I'm missing permissions in {room.mention}: {', '.join(missing)}.",
            "A server admin can give them to my role in the channel's settings.",
        )


def looks_like(who: Actor, typed: str) -> str | None:
    """The channel that somebody may have meant with a name that is no text's: `general` for `#general`."""
    guild = who.user.guild if isinstance(who.user, discord.Member) else None
    name = typed.strip().lower()
    if guild is None:
        return None
    channels: list[discord.TextChannel | discord.ForumChannel] = [*guild.text_channels, *guild.forums]
    return next((channel.name for channel in channels if channel.name == name and _reads(channel, who.user)), None)


async def offered(bot: Galvanic, interaction: discord.Interaction) -> list[tuple[str, str]]:
    """The channels that a person can have the bot learn from: names and what to type."""
    guild = interaction.guild
    if guild is None or bot.settings.channel_training == "off":
        return []
    allowed = map(guild.get_channel, sorted(await bot.consents.allowed(guild.id)))
    return [
        (f"#{channel.name}", channel.mention)
        for channel in allowed
        if isinstance(channel, Source) and _reads(channel, interaction.user)
    ]


def offer(names: list[str], channels: list[tuple[str, str]], typed: str) -> list[app_commands.Choice[str]]:
    """The choices for a text: channels first where somebody begins with `#`."""
    both: list[str | tuple[str, str]] = [*channels, *names] if typed.startswith("#") else [*names, *channels]
    return choices(both, typed)


def room_id(channel: Source) -> int:
    """Whose readers may read what is said there: the channel, for a public thread that of its parent."""
    return _room(channel).id


def title(channel: Source) -> str:
    """How a channel is called in cards, made harmless."""
    return f"#{plain(channel.name)}"


def _room(channel: Source) -> discord.TextChannel | discord.ForumChannel:
    """See `room_id`.

    Raises:
        UserError: the thread's channel is gone.
    """
    if not isinstance(channel, discord.Thread):
        return channel
    if channel.parent is None:
        raise UserError("I don't see the channel of this thread.", "Try again in a moment.")
    return channel.parent


async def _named(
    bot: Galvanic, who: Actor, typed: str
) -> discord.abc.GuildChannel | discord.Thread | discord.abc.PrivateChannel | None:
    guild = bot.get_guild(who.guild_id)
    if guild is None:
        return None
    mention = _MENTION.fullmatch(typed.strip())
    if mention is None:
        name = typed.strip().removeprefix("#").lower()
        for channel in (*guild.channels, *guild.threads):
            if channel.name.lower() == name and _reads(channel, who.user):
                return channel
        return None
    found = guild.get_channel_or_thread(int(mention[1]))
    if found is not None:
        return found
    try:  # a thread that is archived is unknown
        fetched = await guild.fetch_channel(int(mention[1]))
    except (discord.HTTPException, discord.InvalidData) as error:
        if failures.passing(error):
            raise
        log.info("channel_not_found", guild_id=guild.id, error=type(error).__name__)
        return None
    return fetched


def _reads(channel: object, user: discord.User | discord.Member) -> bool:
    """Whether a person can read a channel and what was said there before. Of a private thread nobody surely can."""
    if not isinstance(channel, discord.abc.GuildChannel | discord.Thread) or not isinstance(user, discord.Member):
        return False
    if isinstance(channel, discord.Thread) and (channel.parent is None or channel.is_private()):
        return False
    rights = channel.permissions_for(user)
    return rights.view_channel and rights.read_message_history
