"""Buttons. Each carries its job's id in its custom id, so it works after a restart and needs no memory."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, cast

import discord

from bot import cards
from shared.errors import UserError

if TYPE_CHECKING:
    from bot.client import Galvanic


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
        bot = cast("Galvanic", interaction.client)
        try:
            await cancel(bot, self.job_id, interaction.guild_id, interaction.user, interaction.permissions)
        except UserError as problem:
            await interaction.response.send_message(embed=cards.error(problem), ephemeral=True)
            return
        await interaction.response.send_message("Cancelling…", ephemeral=True)


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
) -> None:
    """Cancel a job on behalf of `user`.

    Raises:
        UserError: there is no such job in this guild, it is over, or it is another person's.
    """
    stored = await bot.queue.load(job_id)
    if stored is None or stored.job.place.guild_id != guild_id:
        raise UserError(f"There is no job `{job_id[:40]}` in this server.", "Its id stands at the foot of its card.")
    if stored.job.place.user_id != user.id and not permissions.manage_messages:
        raise UserError(
            "This training is somebody else's.", "They can cancel it, and so can members with Manage Messages."
        )
    if job_id not in await bot.queue.undelivered():
        raise UserError("This job is over already.", "")
    await bot.queue.cancel(job_id)
