"""How long the bot waits for Redis: for a server that is silent, not for its own event loop."""

from __future__ import annotations

import asyncio
import time

import pytest
from redis.exceptions import TimeoutError as RedisTimeoutError

from bot.redis_reply import reply


async def test_a_silent_server_is_given_up() -> None:
    began = time.monotonic()
    with pytest.raises(RedisTimeoutError):
        await reply(asyncio.Event().wait(), 0.2)
    assert time.monotonic() - began >= 0.2


async def test_a_loop_that_comes_round_late_is_no_outage() -> None:
    async def answers_in_rounds() -> str:
        for _ in range(6):
            await asyncio.sleep(0)
        return "there"

    async def sits_on_the_loop() -> None:
        for _ in range(6):
            time.sleep(0.1)  # noqa: ASYNC251 - that is what is to be tried
            await asyncio.sleep(0)

    crowd = asyncio.create_task(sits_on_the_loop())
    assert await reply(answers_in_rounds(), 0.2) == "there"
    await crowd
