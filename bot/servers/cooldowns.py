"""Cooldowns, in Redis so that a restart forgets none."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import AsyncIterator
from typing import Literal

import redis.asyncio

from bot.background import reply
from galvanic.errors import UserError
from shared import keys

What = Literal["train", "generate", "chat", "wait", "model", "hint", "data"]

# Takes a cooldown back unless it is over and the next request's by now. KEYS: it. ARGV: a token of this request.
_GIVE_BACK = """
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
"""


class TooSoon(UserError):
    """`seconds`: until the cooldown is over."""

    def __init__(self, seconds: float) -> None:
        wait = max(1, round(seconds))
        super().__init__("That was a bit fast.", f"Try again in {wait} s.")
        self.seconds = seconds


class Cooldowns:
    def __init__(self, client: redis.asyncio.Redis) -> None:
        self._redis = client
        self._give_back = client.register_script(_GIVE_BACK)

    @contextlib.asynccontextmanager
    async def spend(
        self, what: What, guild_id: int, who: int, seconds: float, *, request: int | None = None
    ) -> AsyncIterator[None]:
        """Begin a cooldown for what happens within; if that fails, the cooldown is taken back.

        Raises TooSoon: the last one is not over; nothing was begun.

        Args:
            who: the person, or the channel.
            seconds: 0: no cooldown.
            request: id of a message or interaction that Discord may deliver twice: it never waits for itself.
        """
        if seconds <= 0:
            yield
            return
        key = keys.cooldown(what, guild_id, who)
        token = secrets.token_hex(8) if request is None else str(request)
        begun = await reply(self._redis.set(key, token, px=max(1, int(1000 * seconds)), nx=True))
        # Sent twice, because the first reply was lost, it is this request's already.
        if not begun and await reply(self._redis.get(key)) != token.encode():
            raise TooSoon(await reply(self._redis.pttl(key)) / 1000)
        try:
            yield
        except BaseException:
            with contextlib.suppress(redis.RedisError):  # what failed within is what the person is to hear of
                await reply(self._give_back(keys=[key], args=[token]))
            raise
