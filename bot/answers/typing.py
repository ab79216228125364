"""Shows "is typing" while something takes long: one sign for each channel, however many wait there."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import discord
import structlog

from bot.failures import TRANSIENT

if TYPE_CHECKING:
    from bot.client import Galvanic

TYPING_AFTER_S = 0.4
"""Most answers are there sooner, and the request that shows "is typing" would only delay them."""
_TYPING_EVERY_S = 8.0

log = structlog.get_logger()


class Typing:
    """The channels where somebody waits."""

    def __init__(self, bot: Galvanic) -> None:
        self._bot = bot
        self._waiting: Counter[int] = Counter()
        self._tasks: dict[int, asyncio.Task[None]] = {}

    @asynccontextmanager
    async def shown(self, channel_id: int) -> AsyncIterator[None]:
        """Show it in a channel for as long as this lasts."""
        self._waiting[channel_id] += 1
        if channel_id not in self._tasks:
            self._tasks[channel_id] = asyncio.create_task(self._show(channel_id))
        try:
            yield
        finally:
            self._waiting[channel_id] -= 1
            if not self._waiting[channel_id]:
                del self._waiting[channel_id]
                self._tasks.pop(channel_id).cancel()

    async def _show(self, channel_id: int) -> None:
        await asyncio.sleep(TYPING_AFTER_S)
        while True:
            try:
                await self._bot.http.send_typing(channel_id)
            except (discord.HTTPException, *TRANSIENT) as error:
                log.info("typing_not_shown", channel_id=channel_id, error=type(error).__name__)
            await asyncio.sleep(_TYPING_EVERY_S)
