"""Cooldowns: begun once, and given back only by whom they belong to."""

from __future__ import annotations

from typing import Any

import pytest
import redis.asyncio
from redis.exceptions import ConnectionError as AwayError

from bot.servers.cooldowns import Cooldowns, TooSoon
from shared import keys

KEY = keys.cooldown("train", 1, 2)


def spend(cooldowns: Cooldowns, seconds: float = 60.0) -> Any:
    return cooldowns.spend("train", 1, 2, seconds)


async def test_what_is_done_costs_and_what_fails_does_not(client: redis.asyncio.Redis) -> None:
    cooldowns = Cooldowns(client)
    with pytest.raises(ValueError, match="failed"):
        async with spend(cooldowns):
            raise ValueError("failed")
    async with spend(cooldowns):
        pass
    with pytest.raises(TooSoon) as caught:
        async with spend(cooldowns):
            pass
    assert 0 < caught.value.seconds <= 60


async def test_what_fails_late_leaves_the_next_requests_cooldown(client: redis.asyncio.Redis) -> None:
    cooldowns = Cooldowns(client)

    async def fail_late() -> None:
        async with spend(cooldowns):
            await client.delete(KEY)  # as if its time had run out
            async with spend(cooldowns):
                pass
            raise ValueError("late")

    with pytest.raises(ValueError, match="late"):
        await fail_late()
    assert await client.exists(KEY)


async def test_a_request_whose_first_reply_was_lost_is_not_its_own_rival(client: redis.asyncio.Redis) -> None:
    cooldowns = Cooldowns(client)
    for _ in range(2):  # as redis-py asks again when the connection breaks in between
        async with cooldowns.spend("train", 1, 2, 60.0, request=7):
            assert await client.exists(KEY)


async def test_an_outage_does_not_hide_what_failed(client: redis.asyncio.Redis) -> None:
    cooldowns = Cooldowns(client)

    async def away(**_call: Any) -> Any:
        raise AwayError

    async def fail_in_an_outage() -> None:
        async with spend(cooldowns):
            cooldowns._give_back = away  # type: ignore[assignment]
            raise ValueError("failed")

    with pytest.raises(ValueError, match="failed"):
        await fail_in_an_outage()
