"""Who may change a model, hand it out or share it. Where one may be used is the registry's to say."""

from __future__ import annotations

import discord

from bot.servers.access import is_admin
from bot.servers.actor import Actor
from shared.errors import UserError
from shared.models import ModelRecord

NOBODYS = (
    "A model of messages can be used wherever everybody could have read them. To let others use it, let them read the "
    "channels that it learned from."
)


def require_owner(model: ModelRecord, who: Actor, action: str) -> None:
    """Raises UserError for all but its owner and members with Manage Server. `action`: what for, as `delete it`."""
    if model.owner_id != who.user.id and not is_admin(who.user):
        raise UserError(
            f"`{model.name}` isn't your model.",
            f"<@{model.owner_id}> can {action}, and so can members with Manage Server.",
        )


def require_export(model: ModelRecord, who: Actor) -> None:
    """Raises UserError: they may not export it, or not here: what was learned from a text stays where it was shown.

    What learned from members' messages is not its owner's alone: only admins let it out of the bot's reach.
    """
    if model.transcripts and not is_admin(who.user):
        raise UserError(
            f"`{model.name}` learned from members' messages, and a file of it is beyond my reach.",
            "Only members with Manage Server can export it.",
        )
    require_owner(model, who, "export it")
    if set(model.origins) <= set(who.here):
        return
    if len(model.origins) > 1:
        raise UserError(
            f"`{model.name}` learned from texts of several channels, so its file can't be posted in any of them.",
            "A model of one of these texts can be exported in that text's channel.",
        )
    (origin,) = model.origins
    where = f"Export it in <#{origin}>."
    if origin != model.channel_id:
        where = f"The model it was trained from can be exported in <#{origin}>."
    raise UserError(f"`{model.name}` learned from a text of another channel, so it can be exported only there.", where)


def require_share(model: ModelRecord, who: Actor) -> None:
    """Raises UserError: they may not (a model of messages nobody may, not even an admin), or it is shared anyway."""
    if model.transcripts:  # those who wrote them chose their readers
        raise UserError(f"`{model.name}` learned from channels' messages, so nobody can share it.", NOBODYS)
    require_owner(model, who, "share it")
    if set(model.origins) - {model.channel_id} and not is_admin(who.user):
        raise UserError(
            f"`{model.name}` was trained from a model of another channel's text, which isn't yours to share.",
            "Members with Manage Server can share it.",
        )
    if model.scope == "guild":
        raise UserError(
            f"`{model.name}` learned from a public text: the whole server can already use it.",
            "Only models of uploaded texts need to be shared.",
        )


def guild_of(client: discord.Client, who: Actor) -> discord.Guild:
    """Raises UserError: the bot does not know it: it was added with its commands alone, or is only just connecting."""
    guild = client.get_guild(who.guild_id)
    if guild is None:
        raise UserError("I don't see this server yet.", "Try again in a moment; I must be a member of it.")
    return guild
