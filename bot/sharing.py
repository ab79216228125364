"""Who else may use a model of an uploaded text: `model share` and `model unshare`."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import discord

from bot import access
from bot.model_actions import channels_of, guild_of, require_owner
from bot.requester import Requester
from shared.errors import UserError
from shared.models import ModelRecord

if TYPE_CHECKING:
    from bot.client import Galvanic

    Target = discord.abc.GuildChannel

SERVER = "server"
MOST_CHANNELS = 50
_PLACES = (discord.TextChannel, discord.VoiceChannel, discord.StageChannel, discord.ForumChannel)


def open_to(guild: discord.Guild, user: discord.User | discord.Member) -> list[Target]:
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


def target(bot: Galvanic, who: Requester, typed: str) -> Target | None:
    """The channel that was named, by mention, name or id; None for the whole server.

    Raises:
        UserError: there is none that the person and the bot both see: the same words for one that is hidden.
    """
    guild, word = guild_of(bot, who), typed.strip()
    if word.lower().lstrip("#") in (SERVER, "everyone", "all"):
        return None
    number = word.removeprefix("<#").removesuffix(">")
    for channel in open_to(guild, who.user):
        if number == str(channel.id) or word.lower().removeprefix("#") == channel.name.lower():
            return channel
    if number.isdecimal() and guild.get_thread(int(number)) is not None:
        raise UserError("A thread uses the models of its channel.", "Share it with the channel that the thread is in.")
    raise UserError(
        f"I know no channel `{word[:60].replace('`', '')}` that you and I can both see.",
        f"Name one, such as `#general`, or `{SERVER}` for the whole server.",
    )


async def share(bot: Galvanic, who: Requester, model: ModelRecord, to: Target | None) -> ModelRecord:
    """Let a channel, or (None) the whole server, use a model.

    Raises:
        UserError: this person may not, or it may be used there anyway.
    """
    require_owner(model, who.user, "share it")
    if set(model.origins) - {model.channel_id} and not access.is_admin(who.user):
        raise UserError(
            f"`{model.name}` goes on from a model of another channel's text, which isn't yours to share.",
            "Members with Manage Server can share it.",
        )
    if model.scope == "guild":
        raise UserError(
            f"`{model.name}` learned from a public text: the whole server may use it already.",
            "Only models of uploaded texts need to be shared.",
        )

    def shared(record: ModelRecord) -> ModelRecord:
        if record.for_server or (to is not None and record.usable_in([to.id])):
            where = "in the whole server" if record.for_server else f"in <#{to.id if to else 0}>"
            raise UserError(f"`{record.name}` may be used {where} already.", "")
        if to is None:
            return record.model_copy(update={"for_server": True})
        if len(record.shared_with) >= MOST_CHANNELS:
            raise UserError(
                f"`{record.name}` is shared with {MOST_CHANNELS} channels, the most there can be.",
                f"Share it with the `{SERVER}`, or take one back first.",
            )
        return record.model_copy(update={"shared_with": (*record.shared_with, to.id)})

    return await bot.registry.amend(model.model_id, shared)


async def unshare(bot: Galvanic, who: Requester, model: ModelRecord, typed: str | None) -> tuple[ModelRecord, str]:
    """Take back what was shared; where the model was the current one and may not be used any more, it is dropped.

    Args:
        bot: the bot.
        who: who asks, and where.
        model: which model.
        typed: a channel, or `server`; None: everything.

    Returns:
        The record as it is now, and from whom it was taken.

    Raises:
        UserError: this person may not, or it was not shared so.
    """
    require_owner(model, who.user, "do that")
    if model.scope == "guild":
        raise UserError(
            f"`{model.name}` learned from a public text, so it belongs to the whole server.",
            "Only models of uploaded texts can be kept to channels.",
        )
    whom = ""

    def taken_back(record: ModelRecord) -> ModelRecord:
        # Of the record as it is at this moment: somebody else may be taking back another part.
        nonlocal whom
        change, whom = _taken_back(bot, who, record, typed)
        return record.model_copy(update=change)

    guild = guild_of(bot, who)
    return await bot.registry.amend(model.model_id, taken_back, functools.partial(_no_longer, guild)), whom


def _taken_back(bot: Galvanic, who: Requester, model: ModelRecord, typed: str | None) -> tuple[dict[str, object], str]:
    """The fields to change, and whom that takes the model from."""
    if not model.shared_with and not model.for_server:
        raise UserError(f"`{model.name}` is not shared.", "It may be used only where it was trained.")
    if typed is None:
        return {"shared_with": (), "for_server": False}, "everyone else"
    number = typed.strip().removeprefix("<#").removesuffix(">")
    if number.isdecimal() and int(number) in model.shared_with:
        to = int(number)  # its sharer need not see the channel any more, nor need it be there
    else:
        channel = target(bot, who, typed)
        if channel is None:
            if not model.for_server:
                raise UserError(f"`{model.name}` is not shared with the whole server.", _where(model))
            return {"for_server": False}, "the rest of the server"
        to = channel.id
    if to not in model.shared_with:
        raise UserError(f"`{model.name}` is not shared with <#{to}>.", _where(model))
    return {"shared_with": tuple(other for other in model.shared_with if other != to)}, f"<#{to}>"


def _where(model: ModelRecord) -> str:
    if model.for_server:
        return "It is shared with the whole server."
    return "It is shared with " + ", ".join(f"<#{channel_id}>" for channel_id in model.shared_with[:10]) + "."


def _no_longer(guild: discord.Guild, model: ModelRecord) -> list[int]:
    """The channels and threads that may not use a model."""
    parents = {thread.id: thread.parent_id for thread in guild.threads}
    return [
        channel_id
        for channel_id in channels_of(guild)
        if not model.usable_in([channel_id, parents.get(channel_id, channel_id)])
    ]
