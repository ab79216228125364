"""The message that a card is shown in: edited, and posted anew where it was deleted or is too old to be edited."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import discord
import structlog

from bot.escape import NOBODY
from bot.failures import TRANSIENT, passing
from shared.jobs import Place

if TYPE_CHECKING:
    from bot.client import Galvanic

log = structlog.get_logger()


class CardMessage:
    """The message of one card.

    Args:
        bot: the bot.
        place: where it belongs.
        where: channel id and message id; None: there is none yet.
        nonce: by what Discord tells that it was posted already, by the id of the message that it replaces or 0.
    """

    def __init__(self, bot: Galvanic, place: Place, where: tuple[int, int] | None, nonce: Callable[[int], str]) -> None:
        self._bot = bot
        self._place = place
        self.where = where
        self._nonce = nonce

    async def put(self, embed: discord.Embed, files: list[discord.File], buttons: discord.ui.View | None) -> None:
        """Edit the card, or post a fresh one where there is none to edit, or it is too old for that.

        Raises:
            discord.HTTPException: Discord does not take it.
        """
        channel = self._bot.get_partial_messageable(self._place.channel_id, guild_id=self._place.guild_id)
        old = channel.get_partial_message(self.where[1]) if self.where is not None else None
        if old is not None and time.time() - old.created_at.timestamp() < self._bot.settings.card_fresh_after_s:
            try:
                await old.edit(embed=embed, view=buttons, attachments=files, allowed_mentions=NOBODY)
                return
            except discord.NotFound as error:
                if passing(error):
                    raise
                log.info("card_was_deleted")
                old = None
            for file in files:
                file.reset(seek=True)
        # The nonce keeps a message from being posted twice, but a card that was deleted must be posted again.
        nonce = self._nonce(self.where[1] if self.where else 0)
        if buttons is None:
            message = await channel.send(embed=embed, files=files, nonce=nonce)
        else:
            message = await channel.send(embed=embed, files=files, view=buttons, nonce=nonce)
        self.where = (self._place.channel_id, message.id)
        if old is not None:
            try:
                await old.delete()
            except (discord.HTTPException, *TRANSIENT) as error:
                log.warning("old_card_not_removed", error=type(error).__name__)
