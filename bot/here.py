"""Who asks for something, and where: the same of commands, buttons and forms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import discord

from bot import access
from shared.errors import UserError
from shared.jobs import Place

if TYPE_CHECKING:
    from bot.checks import Context


@dataclass(frozen=True)
class Here:
    """Who asks for something, and where."""

    guild: discord.Guild
    channel: access.Where
    user: discord.User | discord.Member

    @classmethod
    def of(cls, source: Context | discord.Interaction) -> Here:
        """Of a command, a button or a form in a server.

        Raises:
            UserError: it was not in one.
        """
        if source.guild is None or source.channel is None:
            raise UserError("This works in servers, not in direct messages.", "Use it in a server's channel.")
        user = source.user if isinstance(source, discord.Interaction) else source.author
        return cls(source.guild, source.channel, user)

    @property
    def ids(self) -> list[int]:
        """The channel and, of a thread, its parent."""
        return access.channel_ids(self.channel)

    @property
    def place(self) -> Place:
        """The same, as jobs tell it."""
        return access.place_of(self.guild.id, self.channel, self.user.id)
