"""The buttons of a training that ended well. Each carries its model's id in its custom id: it works after a restart."""

from __future__ import annotations

import functools
import re
from typing import Any, ClassVar

import discord

from bot import access, begin, checks
from bot.asker import Asker
from bot.views.base import answering
from bot.views.training import SamplesButton
from bot.views.writing import GenerateButton


class _ModelButton(discord.ui.DynamicItem[discord.ui.Button[discord.ui.View]], template=r"galvanic:no-button"):
    """A button that is about one model."""

    word: ClassVar[str]
    label: ClassVar[str]

    def __init__(self, model_id: str) -> None:
        custom_id = f"galvanic:{self.word}:{model_id}"
        super().__init__(discord.ui.Button(label=self.label, style=discord.ButtonStyle.secondary, custom_id=custom_id))
        self.model_id = model_id

    @classmethod
    async def from_custom_id(
        cls, _interaction: discord.Interaction, _item: discord.ui.Item[Any], match: re.Match[str]
    ) -> _ModelButton:
        """Make the button again from a message that an earlier run of the bot sent."""
        return cls(match["model"])


class MoreButton(_ModelButton, template=r"galvanic:more:(?P<model>[a-z0-9-]+)"):
    """Goes on with the model's own text, for whoever presses it, by their own rights and quotas."""

    word, label = "more", "Train more"

    async def callback(self, interaction: discord.Interaction) -> None:
        """Begin, if this person may; the card is a message of its own, for it outlives the interaction."""
        async with answering(interaction, "train more button") as bot:
            checks.require_all(interaction.app_permissions, interaction.channel)
            who = Asker.of_interaction(interaction)
            channel = bot.get_partial_messageable(who.place.channel_id, guild_id=who.guild_id)
            await begin.begin(bot, who, functools.partial(begin.more, bot, who, self.model_id), channel.send)
            await interaction.followup.send("It goes on; its card is below.", ephemeral=True)


class UseButton(_ModelButton, template=r"galvanic:use:(?P<model>[a-z0-9-]+)"):
    """Makes the model the channel's current one."""

    word, label = "use", "Use here"

    async def callback(self, interaction: discord.Interaction) -> None:
        """Choose it, if it may be used here."""
        async with answering(interaction, "use button", public=True) as bot:
            who = Asker.of_interaction(interaction)
            await access.require(bot, "generate", who.user, who.channel)
            model = await begin.model_here(bot, who, self.model_id)
            await bot.registry.use(who.place.channel_id, model)
            await interaction.followup.send(f"`{model.name}` is now this channel's model.")


def finished_buttons(model_id: str, job_id: str) -> discord.ui.View:
    """The buttons under the card of a finished training."""
    view = discord.ui.View(timeout=None)
    for button in (GenerateButton(model_id), MoreButton(model_id), UseButton(model_id), SamplesButton(job_id)):
        view.add_item(button)
    return view
