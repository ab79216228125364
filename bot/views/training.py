"""The buttons of a training. Each carries its job's id in its custom id: it works after a restart."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import discord

from bot import cards
from bot.views.base import answering
from shared.errors import UserError

if TYPE_CHECKING:
    from bot.client import Galvanic

_TRAINING_ID = re.compile(r"t-\d{1,20}")


class CancelButton(
    discord.ui.DynamicItem[discord.ui.Button[discord.ui.View]], template=r"galvanic:cancel:(?P<job>[a-z0-9-]+)"
):
    """Ends a training; for the person who started it and for moderators."""

    def __init__(self, job_id: str) -> None:
        super().__init__(
            discord.ui.Button(label="Cancel", style=discord.ButtonStyle.danger, custom_id=f"galvanic:cancel:{job_id}")
        )
        self.job_id = job_id

    @classmethod
    async def from_custom_id(
        cls, _interaction: discord.Interaction, _item: discord.ui.Item[Any], match: re.Match[str]
    ) -> CancelButton:
        """Make the button again from a message that an earlier run of the bot sent."""
        return cls(match["job"])

    async def callback(self, interaction: discord.Interaction) -> None:
        """Cancel, if this person may."""
        async with answering(interaction, "cancel button") as bot:
            said = await cancel(bot, self.job_id, interaction.guild_id, interaction.user, interaction.permissions)
            await interaction.followup.send(said, ephemeral=True)


def job_buttons(job_id: str) -> discord.ui.View:
    """The buttons under the card of a job that is not over."""
    view = discord.ui.View(timeout=None)
    view.add_item(CancelButton(job_id))
    return view


async def cancel(
    bot: Galvanic,
    job_id: str,
    guild_id: int | None,
    user: discord.User | discord.Member,
    permissions: discord.Permissions,
) -> str:
    """Cancel a training on behalf of `user`.

    Returns:
        What to tell them.

    Raises:
        UserError: there is no such job in this guild, it is over, or it is another person's.
    """
    stored = await bot.queue.load(job_id) if _TRAINING_ID.fullmatch(job_id) else None
    if stored is None or stored.job.place.guild_id != guild_id:
        raise UserError(
            f"There is no job `{cards.plain(job_id[:40])}` in this server.", "Its id stands at the foot of its card."
        )
    if stored.job.place.user_id != user.id and not permissions.manage_messages:
        raise UserError(
            "This training is somebody else's.", "They can cancel it, and so can members with Manage Messages."
        )
    if job_id not in await bot.queue.undelivered():
        raise UserError("This job is over already.", "")
    if await bot.queue.cancel(job_id):
        return "Cancelling…"
    return "It will be cancelled as soon as a worker is back: none is running now."
