"""Who else may use a model of an uploaded text: `model share` and `model unshare`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import discord

from bot.models.access import NOBODYS, guild_of, require_owner, require_share
from bot.models.registry import Registry
from bot.models.removal import channels_of
from bot.servers.actor import Actor
from bot.types import User
from shared.errors import UserError
from shared.models import ModelRecord

SERVER = "server"
MOST_CHANNELS = 50
_PLACES = (discord.TextChannel, discord.VoiceChannel, discord.StageChannel, discord.ForumChannel)
Target = discord.abc.GuildChannel


def visible_channels(guild: discord.Guild, user: User) -> list[Target]:
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


@dataclass(frozen=True)
class Sharing:
    client: discord.Client
    registry: Registry

    async def share(self, who: Actor, model: ModelRecord, where: str) -> tuple[ModelRecord, Target | None]:
        """Let a channel (`where`: mention, name or id) or the server use a model; the record now, and that channel.

        Raises UserError: this person may not, it may be used there anyway, or there is no such channel.
        """
        to = self._target(who, where)
        require_share(model, who)

        def shared(record: ModelRecord) -> ModelRecord:
            if record.for_server or (to is not None and record.usable_in([to.id])):
                there = "in the whole server" if record.for_server else f"in <#{to.id if to else 0}>"
                raise UserError(f"`{record.name}` can already be used {there}.", "Nothing has to be done for that.")
            if to is None:
                return record.model_copy(update={"for_server": True})
            if len(record.shared_with) >= MOST_CHANNELS:
                raise UserError(
                    f"`{record.name}` is shared with {MOST_CHANNELS} channels, which is the maximum.",
                    f"Share it with the `{SERVER}`, or stop sharing it with another one first.",
                )
            return record.model_copy(update={"shared_with": (*record.shared_with, to.id)})

        return await self.registry.amend(model.model_id, shared), to

    async def unshare(self, who: Actor, model: ModelRecord, typed: str | None) -> tuple[ModelRecord, str]:
        """Stop sharing a model; channels that can no longer use it drop it as their current one.

        `typed`: a channel, or `server`; None: everything. The record now, and with whom it is no longer shared. Raises
        UserError: this person may not, or it was not shared there.
        """
        require_owner(model, who, "do that")
        if model.scope == "guild" and model.transcripts:
            raise UserError(f"`{model.name}` is not shared.", NOBODYS)
        if model.scope == "guild":
            raise UserError(
                f"`{model.name}` learned from a public text, so it belongs to the whole server.",
                "Only models of uploaded texts can be kept to channels.",
            )
        guild, whom = guild_of(self.client, who), ""
        parents = {thread.id: thread.parent_id for thread in guild.threads}

        def unshared(record: ModelRecord) -> ModelRecord:
            # Works on the newest record, because somebody else may be changing it at the same time.
            nonlocal whom
            change, whom = self._change(who, record, typed)
            return record.model_copy(update=change)

        def without_access(record: ModelRecord) -> list[int]:
            places = ((channel, parents.get(channel, channel)) for channel in channels_of(guild))
            return [channel for channel, parent in places if not record.usable_in([channel, parent])]

        return await self.registry.amend(model.model_id, unshared, without_access), whom

    def _change(self, who: Actor, model: ModelRecord, typed: str | None) -> tuple[dict[str, Any], str]:
        """The fields to change, and with whom the model is no longer shared."""
        if not model.shared_with and not model.for_server:
            raise UserError(f"`{model.name}` is not shared.", "It can be used only where it was trained.")
        if typed is None:
            return {"shared_with": (), "for_server": False}, "everyone else"
        number = typed.strip().removeprefix("<#").removesuffix(">")
        if number.isdecimal() and int(number) in model.shared_with:
            to = int(number)  # works even if the owner no longer sees the channel, or it is gone
        elif (channel := self._target(who, typed)) is not None:
            to = channel.id
        elif model.for_server:
            return {"for_server": False}, "the rest of the server"
        else:
            raise UserError(f"`{model.name}` is not shared with the whole server.", _shared_with(model))
        if to not in model.shared_with:
            raise UserError(f"`{model.name}` is not shared with <#{to}>.", _shared_with(model))
        return {"shared_with": tuple(other for other in model.shared_with if other != to)}, f"<#{to}>"

    def _target(self, who: Actor, typed: str) -> Target | None:
        """The channel that was named; None: the whole server.

        Raises UserError: there is none that both the person and the bot see; a hidden one gets the same answer.
        """
        guild, word = guild_of(self.client, who), typed.strip()
        if word.lower().lstrip("#") in (SERVER, "everyone", "all"):
            return None
        number = word.removeprefix("<#").removesuffix(">")
        for channel in visible_channels(guild, who.user):
            if number == str(channel.id) or word.lower().removeprefix("#") == channel.name.lower():
                return channel
        if number.isdecimal() and guild.get_thread(int(number)) is not None:
            raise UserError(
                "A thread uses the models of its channel.", "Share it with the channel that the thread is in."
            )
        raise UserError(
            f"I can't find a channel `{word[:60].replace('`', '')}` that both of us can see.",
            f"Name one, such as `#general`, or `{SERVER}` for the whole server.",
        )


def _shared_with(model: ModelRecord) -> str:
    if model.for_server:
        return "It is shared with the whole server."
    return "It is shared with " + ", ".join(f"<#{channel_id}>" for channel_id in model.shared_with[:10]) + "."
