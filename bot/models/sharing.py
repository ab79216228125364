"""Who else may use a model of an uploaded text: `model share` and `model unshare`."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import discord

from bot.models.actions import channels_of, guild_of, require_owner
from bot.servers import access
from bot.servers.actor import Actor
from shared.errors import UserError
from shared.models import ModelRecord

if TYPE_CHECKING:
    from bot.client import Galvanic

    Target = discord.abc.GuildChannel

SERVER = "server"
MOST_CHANNELS = 50
_NOBODYS = (
    "A model of messages can be used wherever everybody could have read them. To let others use it, let them read the "
    "channels that it learned from."
)
_PLACES = (discord.TextChannel, discord.VoiceChannel, discord.StageChannel, discord.ForumChannel)


def visible_channels(guild: discord.Guild, user: discord.User | discord.Member) -> list[Target]:
    """The channels that a person and the bot both see."""
    if not isinstance(user, discord.Member):
        return []
    return [
        channel
        for channel in guild.channels
        if isinstance(channel, _PLACES)
        and channel.permissions_for(user).view_channel
        and channel.permissions_for(guild.me).view_channel
    ]


def target(bot: Galvanic, who: Actor, typed: str) -> Target | None:
    """The channel that was named, by mention, name or id; None for the whole server.

    Raises:
        UserError: there is no such channel that both the person and the bot see; a hidden one gets the same answer.
    """
    guild, word = guild_of(bot, who), typed.strip()
    if word.lower().lstrip("#") in (SERVER, "everyone", "all"):
        return None
    number = word.removeprefix("<#").removesuffix(">")
    for channel in visible_channels(guild, who.user):
        if number == str(channel.id) or word.lower().removeprefix("#") == channel.name.lower():
            return channel
    if number.isdecimal() and guild.get_thread(int(number)) is not None:
        raise UserError("A thread uses the models of its channel.", "Share it with the channel that the thread is in.")
    raise UserError(
        f"I can't find a channel `{word[:60].replace('`', '')}` that both of us can see.",
        f"Name one, such as `#general`, or `{SERVER}` for the whole server.",
    )


async def share(bot: Galvanic, who: Actor, model: ModelRecord, to: Target | None) -> ModelRecord:
    """Let a channel, or (None) the whole server, use a model.

    What learned from channels' messages is nobody's to share, not even an admin's.

    Raises:
        UserError: this person may not, or it may be used there anyway.
    """
    _require_shareable(model)
    require_owner(model, who.user, "share it")
    if set(model.origins) - {model.channel_id} and not access.is_admin(who.user):
        raise UserError(
            f"`{model.name}` was trained from a model of another channel's text, which isn't yours to share.",
            "Members with Manage Server can share it.",
        )
    if model.scope == "guild":
        raise UserError(
            f"`{model.name}` learned from a public text: the whole server can already use it.",
            "Only models of uploaded texts need to be shared.",
        )

    def shared(record: ModelRecord) -> ModelRecord:
        if record.for_server or (to is not None and record.usable_in([to.id])):
            where = "in the whole server" if record.for_server else f"in <#{to.id if to else 0}>"
            raise UserError(f"`{record.name}` can already be used {where}.", "Nothing has to be done for that.")
        if to is None:
            return record.model_copy(update={"for_server": True})
        if len(record.shared_with) >= MOST_CHANNELS:
            raise UserError(
                f"`{record.name}` is shared with {MOST_CHANNELS} channels, which is the maximum.",
                f"Share it with the `{SERVER}`, or stop sharing it with another one first.",
            )
        return record.model_copy(update={"shared_with": (*record.shared_with, to.id)})

    return await bot.registry.amend(model.model_id, shared)


def _require_shareable(model: ModelRecord) -> None:
    """Refuse to share what learned from channels' messages: those who wrote them chose their readers.

    Raises:
        UserError: says where it can be used.
    """
    if model.transcripts:
        raise UserError(f"`{model.name}` learned from channels' messages, so nobody can share it.", _NOBODYS)


async def unshare(bot: Galvanic, who: Actor, model: ModelRecord, typed: str | None) -> tuple[ModelRecord, str]:
    """Stop sharing a model; channels that can no longer use it drop it as their current one.

    Args:
        bot: the bot.
        who: who asks, and where.
        model: which model.
        typed: a channel, or `server`; None: everything.

    Returns:
        The record as it is now, and with whom it is no longer shared.

    Raises:
        UserError: this person may not, or it was not shared there.
    """
    require_owner(model, who.user, "do that")
    if model.scope == "guild" and model.transcripts:
        raise UserError(f"`{model.name}` is not shared.", _NOBODYS)
    if model.scope == "guild":
        raise UserError(
            f"`{model.name}` learned from a public text, so it belongs to the whole server.",
            "Only models of uploaded texts can be kept to channels.",
        )
    whom = ""

    def unshared(record: ModelRecord) -> ModelRecord:
        # Works on the newest record, because somebody else may be changing it at the same time.
        nonlocal whom
        change, whom = _unshared(bot, who, record, typed)
        return record.model_copy(update=change)

    guild = guild_of(bot, who)
    return await bot.registry.amend(model.model_id, unshared, functools.partial(_without_access, guild)), whom


def _unshared(bot: Galvanic, who: Actor, model: ModelRecord, typed: str | None) -> tuple[dict[str, object], str]:
    """The fields to change, and with whom the model is no longer shared."""
    if not model.shared_with and not model.for_server:
        raise UserError(f"`{model.name}` is not shared.", "It can be used only where it was trained.")
    if typed is None:
        return {"shared_with": (), "for_server": False}, "everyone else"
    number = typed.strip().removeprefix("<#").removesuffix(">")
    if number.isdecimal() and int(number) in model.shared_with:
        to = int(number)  # works even if the owner no longer sees the channel, or it is gone
    else:
        channel = target(bot, who, typed)
        if channel is None:
            if not model.for_server:
                raise UserError(f"`{model.name}` is not shared with the whole server.", _shared_with(model))
            return {"for_server": False}, "the rest of the server"
        to = channel.id
    if to not in model.shared_with:
        raise UserError(f"`{model.name}` is not shared with <#{to}>.", _shared_with(model))
    return {"shared_with": tuple(other for other in model.shared_with if other != to)}, f"<#{to}>"


def _shared_with(model: ModelRecord) -> str:
    if model.for_server:
        return "It is shared with the whole server."
    return "It is shared with " + ", ".join(f"<#{channel_id}>" for channel_id in model.shared_with[:10]) + "."


def _without_access(guild: discord.Guild, model: ModelRecord) -> list[int]:
    """The channels and threads that can't use a model."""
    parents = {thread.id: thread.parent_id for thread in guild.threads}
    return [
        channel_id
        for channel_id in channels_of(guild)
        if not model.usable_in([channel_id, parents.get(channel_id, channel_id)])
    ]
