"""The button under the bot's greeting: a newcomer's first training."""

from __future__ import annotations

from typing import TYPE_CHECKING

import discord

from bot.servers.actor import Actor
from bot.train import start as trainings
from bot.types import Send
from bot.views.base import ButtonItem, FromItsId, RequiresPlace, replying_to

if TYPE_CHECKING:
    from bot.client import Galvanic


class TasteButton(RequiresPlace, FromItsId, ButtonItem, template=r"galvanic:taste"):
    """Begins a short training, with the rights and quotas of whoever presses it."""

    def __init__(self) -> None:
        label = f"A first taste: {trainings.TASTE_MINUTES:g} minutes of Frankenstein"
        super().__init__(discord.ui.Button(label=label, style=discord.ButtonStyle.primary, custom_id="galvanic:taste"))

    async def callback(self, interaction: discord.Interaction) -> None:
        """Start the training, if this person may; tell them if it is another text."""
        begun: list[trainings.TrainRequest] = []

        async def train(bot: Galvanic, who: Actor, send: Send) -> None:
            async def prepare() -> trainings.TrainRequest:
                begun.append(await trainings.taste(bot))
                return begun[0]

            await trainings.begin(bot, who, prepare, send, by_message=True)

        await replying_to(interaction, "taste button", train)
        if begun and begun[0].info.source == "python-docs":
            said = "I couldn't fetch *Frankenstein*, so I'm reading Python's manual: it lies on this machine."
            await interaction.followup.send(said, ephemeral=True)
