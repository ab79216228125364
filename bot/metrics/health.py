"""How the bot is, as `/health` tells it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import redis

from shared.connect import connect_once
from shared.metrics.registry import PATIENCE_S
from shared.metrics.server import Health
from shared.presence import BOT

if TYPE_CHECKING:
    from bot.client import Galvanic

LOOP_STANDS_S = 15.0
"""An event loop that has not come round for so long answers nobody: Discord takes an answer for three seconds."""


class BotHealth:
    """Looks how the bot is, from another thread, with a connection to Redis of its own."""

    def __init__(self, bot: Galvanic) -> None:
        self._bot = bot
        self._redis = connect_once(bot.settings, PATIENCE_S)

    def look(self) -> Health:
        """What is wrong, if anything. A bot that stands by is well without Discord's gateway."""
        metrics = self._bot.metrics
        state = "starting" if not metrics.logged_in else "leader" if metrics.leads else "standby"
        return Health(BOT, tuple(self._problems()), state)

    def _problems(self) -> Iterator[str]:
        metrics = self._bot.metrics
        stands_s = time.monotonic() - metrics.turned_at
        if stands_s > LOOP_STANDS_S:
            yield f"The bot has been busy with one thing for {stands_s:.0f} s and answers nobody."
        try:
            self._redis.ping()
        except redis.RedisError as error:
            yield f"Redis cannot be reached ({type(error).__name__})."
        if not metrics.logged_in:
            yield "The bot has not logged in to Discord yet."
        elif metrics.leads and not metrics.connected:
            yield "Discord's gateway is not connected."
