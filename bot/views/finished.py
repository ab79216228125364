"""The buttons of a training that ended well. Each carries its model's id in its custom id: it works after a restart."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import discord

from bot.channels.import_buttons import UpdateButton
from bot.models.views import UseButton
from bot.servers.actor import Actor
from bot.train import start as trainings
from bot.types import Send
from bot.views.base import ButtonItem, FromItsId, RequiresPlace, replying_to
from bot.views.training import SamplesButton
from bot.write.views import GenerateButton
from shared.models import ModelRecord

if TYPE_CHECKING:
    from bot.client import Galvanic


class MoreButton(RequiresPlace, FromItsId, ButtonItem, template=r"galvanic:more:(?P<model>[A-Za-z0-9_-]+)"):
    """Trains the model further on its own text, with the rights and quotas of whoever presses it."""

    def __init__(self, model_id: str) -> None:
        super().__init__(discord.ui.Button(label="Train more", custom_id=f"galvanic:more:{model_id}"))
        self.model_id = model_id

    async def callback(self, interaction: discord.Interaction) -> None:
        """Start the training, if this person may."""

        async def train(bot: Galvanic, who: Actor, send: Send) -> None:
            more = functools.partial(trainings.more, bot, who, self.model_id)
            await trainings.begin(bot, who, more, send, by_message=True)

        await replying_to(interaction, "train more button", train)


def finished_buttons(model: ModelRecord, job_id: str) -> discord.ui.View:
    """The buttons under the card of a finished training."""
    view = discord.ui.View(timeout=None)
    model_id = model.model_id
    for button in (GenerateButton(model_id), MoreButton(model_id), UseButton(model_id), SamplesButton(job_id)):
        view.add_item(button)
    if model.corpus is not None and model.corpus.transcript is not None:
        view.add_item(UpdateButton(model_id))
    return view
