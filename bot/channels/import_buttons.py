"""The buttons around the reading of a channel."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import discord

from bot.servers.actor import Actor
from bot.types import Send
from bot.views.base import ButtonItem, FromItsId, RequiresPlace, answering, replying_to

if TYPE_CHECKING:
    from bot.client import Galvanic


class StopReadingButton(
    RequiresPlace, FromItsId, ButtonItem, template=r"galvanic:stop-reading:(?P<transcript>[a-f0-9]{1,32})"
):
    """Ends a reading and keeps nothing of it; for the person who started it and for moderators."""

    def __init__(self, transcript_id: str) -> None:
        style = discord.ButtonStyle.danger
        custom_id = f"galvanic:stop-reading:{transcript_id}"
        super().__init__(discord.ui.Button(label="Cancel", style=style, custom_id=custom_id))
        self.transcript_id = transcript_id

    async def callback(self, interaction: discord.Interaction) -> None:
        """Cancel, if this person may."""
        async with answering(interaction, "cancel reading button") as bot:
            said = await bot.readings.cancel(self.transcript_id, interaction.guild_id, interaction.user)
            await interaction.followup.send(said, ephemeral=True)


class UpdateButton(RequiresPlace, FromItsId, ButtonItem, template=r"galvanic:update:(?P<model>[A-Za-z0-9_-]+)"):
    """Brings a channel's model up to date: it learns what was said since, of members who agree now."""

    def __init__(self, model_id: str) -> None:
        super().__init__(discord.ui.Button(label="Learn new messages", custom_id=f"galvanic:update:{model_id}"))
        self.model_id = model_id

    async def callback(self, interaction: discord.Interaction) -> None:
        """Begin to read, if this person may."""

        async def update(bot: Galvanic, who: Actor, send: Send) -> None:
            from bot.channels.plans import update_plan  # it needs the buttons

            plan = functools.partial(update_plan, bot, who, self.model_id)
            await bot.readings.begin(who, plan, send, by_message=True)

        await replying_to(interaction, "learn new messages button", update)


def reading_buttons(transcript_id: str) -> discord.ui.View:
    """The buttons under the card of a channel that is being read."""
    return discord.ui.View(timeout=None).add_item(StopReadingButton(transcript_id))
