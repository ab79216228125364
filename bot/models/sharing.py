"""Owners of models, and sharing those of uploaded texts: `model share` and `model unshare`."""

import discord

from bot.models.registry import Registry
from bot.servers.access import Actor, Readable, is_admin, require_channel
from galvanic.errors import UserError
from shared.models import ModelRecord

SERVER = "server"  # instead of a channel's name: all of them
MOST_CHANNELS = 50


def require_owner(model: ModelRecord, actor: Actor, action: str) -> None:
    """Refuse all but the owner and members with Manage Server. `action`: such as `delete it`. Raises UserError."""
    if model.owner_id != actor.user.id and not is_admin(actor.user):
        raise UserError(
            f"`{model.name}` isn't your model.",
            f"<@{model.owner_id}> can {action}, and so can members with Manage Server.",
        )


async def share(
    registry: Registry, guild: discord.Guild, actor: Actor, model: ModelRecord, where: str
) -> tuple[ModelRecord, Readable | None]:
    """Let a channel (`where`: mention, name or id) or the server use a model; return the record and that channel.

    Raises UserError: this person may not (a model of messages nobody may, not even an admin, but of one's own alone),
    it may be used there anyway, or there is no such channel.
    """
    whole = where.strip().lower() == SERVER
    to = None if whole else require_channel(guild, actor.user, where, f", or `{SERVER}` for the whole server")
    if model.readings and model.authors != {actor.user.id}:  # those who wrote them chose their readers
        raise UserError(
            f"`{model.name}` learned from channels' messages, so nobody can share it.",
            "It can be used wherever everybody could have read them. To let others use it, let them read the channels "
            "that it learned from.",
        )
    require_owner(model, actor, "share it")
    if set(model.origins) - {model.channel_id} and not is_admin(actor.user):
        raise UserError(
            f"`{model.name}` was trained from a model of another channel's text, which isn't yours to share.",
            "Members with Manage Server can share it.",
        )
    if model.scope == "guild" and not model.authors:
        raise UserError(
            f"`{model.name}` learned from a public text: the whole server can already use it.",
            "Only models of uploaded texts need to be shared.",
        )

    def shared(record: ModelRecord) -> ModelRecord:
        if record.for_server or (to is not None and record.usable_in([to.id])):
            place = "in the whole server" if record.for_server else f"in <#{to.id if to else 0}>"
            raise UserError(f"`{record.name}` can already be used {place}.", "Nothing has to be done for that.")
        if to is None:
            return record.model_copy(update={"for_server": True})
        if len(record.shared_with) >= MOST_CHANNELS:
            raise UserError(
                f"`{record.name}` is shared with {MOST_CHANNELS} channels, which is the maximum.",
                f"Share it with the `{SERVER}`, or stop all sharing first: `/model unshare`.",
            )
        return record.model_copy(update={"shared_with": (*record.shared_with, to.id)})

    return await registry.amend(model, shared), to


async def unshare(registry: Registry, actor: Actor, model: ModelRecord) -> ModelRecord:
    """Stop sharing a model, and return it. A channel that has chosen it and can no longer use it has no model then.

    Raises UserError: this person may not, or it was not shared.
    """
    require_owner(model, actor, "do that")

    def unshared(record: ModelRecord) -> ModelRecord:
        if not record.shared_with and not record.for_server:
            raise UserError(f"`{record.name}` is not shared.", "`/model info` says where it can be used.")
        return record.model_copy(update={"shared_with": (), "for_server": False})

    return await registry.amend(model, unshared, numbered=True)
