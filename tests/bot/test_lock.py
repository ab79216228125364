"""Of several bots with one Redis only one runs."""

import asyncio
from unittest.mock import AsyncMock

import pytest
import redis.asyncio
from redis.exceptions import RedisError

from bot import lock
from bot.lock import AnotherBot, BotLock
from shared import keys


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, seconds in {"LIFETIME_S": 0.5, "_WAIT_S": 1.5, "_LOOK_EVERY_S": 0.05}.items():
        monkeypatch.setattr(lock, name, seconds)


@pytest.fixture
def first(client: redis.asyncio.Redis) -> BotLock:
    return BotLock(client)


@pytest.fixture
def second(client: redis.asyncio.Redis) -> BotLock:
    return BotLock(client)


async def test_the_second_ends_while_the_first_renews_its_lock(first: BotLock, second: BotLock) -> None:
    await first.take()
    waiting = asyncio.create_task(second.take())
    while not waiting.done():
        await first.keep()
        await asyncio.sleep(0.05)
    with pytest.raises(AnotherBot, match="Stop it first"):
        await waiting
    await second.leave()
    await first.keep()


async def test_a_killed_bot_is_waited_for(first: BotLock, second: BotLock) -> None:
    await first.take()
    await second.take()
    renewing = asyncio.create_task(renewed(second))
    with pytest.raises(AnotherBot):
        await first.keep()
    renewing.cancel()


async def test_a_lock_that_was_taken_while_the_clock_was_ahead_is_taken_over(
    second: BotLock, client: redis.asyncio.Redis
) -> None:
    await client.set(keys.BOT_LOCK, "of a bot that was killed", px=10**8)
    await second.take()
    assert await client.get(keys.BOT_LOCK) == second.token.encode()


async def renewed(holder: BotLock) -> None:
    while True:
        await holder.keep()
        await asyncio.sleep(0.05)


async def test_one_that_ends_in_order_lets_the_next_begin_at_once(
    first: BotLock, second: BotLock, monkeypatch: pytest.MonkeyPatch
) -> None:
    await first.take()
    await first.leave()
    monkeypatch.setattr(lock, "_WAIT_S", 0)
    await second.take()
    await second.keep()


async def test_a_redis_that_lost_the_lock_gets_it_again(first: BotLock, client: redis.asyncio.Redis) -> None:
    await first.take()
    await client.delete(keys.BOT_LOCK)
    await first.keep()
    assert await client.exists(keys.BOT_LOCK)


async def test_without_redis_it_begins_and_takes_the_lock_later(
    first: BotLock, client: redis.asyncio.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as outage:
        outage.setattr(client, "set", AsyncMock(side_effect=RedisError))
        await first.take()
        with pytest.raises(RedisError):
            await first.keep()
    await first.keep()
    assert await client.exists(keys.BOT_LOCK)
