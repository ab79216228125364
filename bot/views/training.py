"""The buttons of a training that is not over. Each carries its job's id in its custom id: it works after a restart."""

from __future__ import annotations

from typing import ClassVar

import discord

from bot.servers import access
from bot.train import control
from bot.views.base import ButtonItem, FromItsId, RequiresPlace, answering


class _JobButton(RequiresPlace, FromItsId, ButtonItem, template=r"galvanic:no-button"):
    """A button that is about one training."""

    word: ClassVar[str]
    label: ClassVar[str]
    style: ClassVar[discord.ButtonStyle]

    def __init__(self, job_id: str) -> None:
        custom_id = f"galvanic:{self.word}:{job_id}"
        super().__init__(discord.ui.Button(label=self.label, style=self.style, custom_id=custom_id))
        self.job_id = job_id


class CancelButton(_JobButton, template=r"galvanic:cancel:(?P<job>[a-z0-9-]+)"):
    """Ends a training and keeps nothing; for the person who started it and for moderators."""

    word, label, style = "cancel", "Cancel", discord.ButtonStyle.danger

    async def callback(self, interaction: discord.Interaction) -> None:
        """Cancel, if this person may."""
        async with answering(interaction, "cancel button") as bot:
            said = await control.cancel(bot, self.job_id, interaction.guild_id, interaction.user)
            await interaction.followup.send(said, ephemeral=True)


class FinishButton(_JobButton, template=r"galvanic:finish:(?P<job>[a-z0-9-]+)"):
    """Ends a training and keeps the best so far; for the same people."""

    word, label, style = "finish", "Finish now", discord.ButtonStyle.primary

    async def callback(self, interaction: discord.Interaction) -> None:
        """Finish, if this person may."""
        async with answering(interaction, "finish button") as bot:
            said = await control.finish(bot, self.job_id, interaction.guild_id, interaction.user)
            await interaction.followup.send(said, ephemeral=True)


class SamplesButton(_JobButton, template=r"galvanic:samples:(?P<job>[a-z0-9-]+)"):
    """Shows the one who presses it what the training wrote epoch by epoch."""

    word, label, style = "samples", "Samples", discord.ButtonStyle.secondary
    for_readers = True

    async def callback(self, interaction: discord.Interaction) -> None:
        """Show them, to this person alone."""
        async with answering(interaction, "samples button") as bot:
            here = access.channel_ids(interaction.channel) if interaction.channel is not None else []
            embed = await control.samples(bot, self.job_id, interaction.guild_id, interaction.user, here)
            await interaction.followup.send(embed=embed, ephemeral=True)


def job_buttons(job_id: str) -> discord.ui.View:
    """The buttons under the card of a training that is not over."""
    view = discord.ui.View(timeout=None)
    for button in (FinishButton, CancelButton, SamplesButton):
        view.add_item(button(job_id))
    return view
