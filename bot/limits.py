"""Cooldowns, kept in Redis so that a restart forgets none."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal

import redis.asyncio

from bot.redis_reply import reply
from shared import keys
from shared.errors import UserError

What = Literal["train", "generate", "chat", "wait", "model", "refused"]


class TooSoon(UserError):
    """A cooldown is still running.

    Attributes:
        seconds: until it is over.
    """

    def __init__(self, seconds: float) -> None:
        wait = max(1, round(seconds))
        super().__init__("That was a bit fast.", f"Try again in {wait} s.")
        self.seconds = seconds


class Cooldowns:
    """Says when somebody may do something again."""

    def __init__(self, client: redis.asyncio.Redis) -> None:
        self._redis = client

    @asynccontextmanager
    async def spend(self, what: What, guild_id: int, who: int, seconds: float) -> AsyncIterator[None]:
        """Begin a cooldown for what happens within; what fails within costs nothing.

        Args:
            what: kind of request.
            guild_id: where.
            who: the person, or the channel.
            seconds: how long it lasts; 0: there is none.

        Raises:
            TooSoon: the last one is not over; nothing was begun.
        """
        if seconds <= 0:
            yield
            return
        key = keys.cooldown(what, guild_id, who)
        if not await reply(self._redis.set(key, b"", nx=True, px=max(1, int(1000 * seconds)))):
            raise TooSoon(await reply(self._redis.pttl(key)) / 1000)
        try:
            yield
        except BaseException:
            await reply(self._redis.delete(key))
            raise
