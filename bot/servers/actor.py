"""Who asks for something, and where: the same for commands, buttons, forms and mentions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import discord

from bot.errors import servers_only
from bot.servers import access
from bot.types import Context, User
from shared.jobs import Place


@dataclass(frozen=True)
class Actor:
    """`request_id`: of the message or interaction, the same if Discord delivers it twice; `message_id`: see `Place`."""

    user: User
    channel: access.Where
    guild_id: int
    request_id: int
    message_id: int | None = None

    @classmethod
    def of(cls, ctx: Context) -> Actor:
        assert ctx.guild is not None
        message_id = ctx.message.id if ctx.interaction is None else None
        return cls(ctx.author, ctx.channel, ctx.guild.id, (ctx.interaction or ctx.message).id, message_id)

    @classmethod
    def of_interaction(cls, interaction: discord.Interaction[Any]) -> Actor:
        """Raises UserError: outside of a server."""
        if interaction.guild_id is None or interaction.channel is None:
            raise servers_only()
        pressed = interaction.message.id if interaction.message is not None else None
        return cls(interaction.user, interaction.channel, interaction.guild_id, interaction.id, pressed)

    @property
    def place(self) -> Place:
        place = access.place_of(self.guild_id, self.channel, self.user.id)
        return place.model_copy(update={"message_id": self.message_id})

    @property
    def here(self) -> list[int]:
        """The channel and, for a thread, its parent."""
        return access.channel_ids(self.channel)
