"""The message that a card is shown in: edited, or posted again where it was deleted or is too old to be edited."""

from __future__ import annotations

import time
from typing import Any

import discord
import structlog

from bot.background import DISCORD_ERRORS, is_transient
from bot.jobs.client import card_nonce
from bot.words import NOBODY
from shared.jobs import TrainJob
from shared.settings import Settings

log = structlog.get_logger()


class CardMessage:
    """The message of a training's card, at `where`: channel id and message id; None: there is none yet."""

    def __init__(
        self, client: discord.Client, settings: Settings, job: TrainJob, where: tuple[int, int] | None
    ) -> None:
        self._client = client
        self._settings = settings
        self._job = job
        self.where = where

    async def put(self, embed: discord.Embed, files: list[discord.File], buttons: discord.ui.View | None) -> None:
        """Edit the card, or post a new one where there is none to edit, or it is too old for that.

        Raises discord.HTTPException when Discord refuses it.
        """
        place = self._job.place
        channel = self._client.get_partial_messageable(place.channel_id, guild_id=place.guild_id)
        old = channel.get_partial_message(self.where[1]) if self.where is not None else None
        if old is not None and time.time() - old.created_at.timestamp() < self._settings.card_fresh_after_s:
            try:
                await old.edit(embed=embed, view=buttons, attachments=files, allowed_mentions=NOBODY)
                return
            except discord.NotFound as error:
                if is_transient(error):
                    raise
                log.info("card_was_deleted")
                old = None
            for file in files:
                file.reset(seek=True)
        # The nonce keeps a message from being posted twice, but a card that was deleted must be posted again.
        nonce = card_nonce(self._job.job_id, self.where[1] if self.where else 0)
        given: dict[str, Any] = {"view": buttons} if buttons is not None else {}
        message = await channel.send(embed=embed, files=files, nonce=nonce, **given)
        self.where = (place.channel_id, message.id)
        if old is not None:
            try:
                await old.delete()
            except DISCORD_ERRORS as error:
                log.warning("old_card_not_removed", error=type(error).__name__)


async def edit_by_id(client: discord.Client, card: tuple[int, int], embed: discord.Embed) -> bool:
    """Show something for now on a card (channel id, message id); False: Discord does not take it."""
    message = client.get_partial_messageable(card[0]).get_partial_message(card[1])
    try:
        await message.edit(embed=embed, allowed_mentions=NOBODY)
    except DISCORD_ERRORS as error:
        log.warning("card_not_edited", error=type(error).__name__)
        return False
    return True
