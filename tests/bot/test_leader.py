"""Of several bots with one token only one speaks."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from unittest.mock import AsyncMock

import pytest
import redis.asyncio
from redis.exceptions import RedisError

from bot import leader
from bot.leader import Leader, Overtaken
from shared import keys

APPLICATION = 77


@pytest.fixture
def first(client: redis.asyncio.Redis) -> Leader:
    return Leader(client)


@pytest.fixture
def second(client: redis.asyncio.Redis, monkeypatch: pytest.MonkeyPatch) -> Leader:
    """One on another machine."""
    with monkeypatch.context() as patch:
        patch.setattr(leader, "_machine", lambda: "elsewhere/1/1")
        return Leader(client)


async def test_the_second_waits_until_the_first_leaves_also_while_redis_is_away(
    first: Leader, second: Leader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leader, "_LOOK_EVERY_S", 0.01)
    await first.wait(APPLICATION)
    waiting = asyncio.create_task(second.wait(APPLICATION))
    await asyncio.sleep(0.1)
    with monkeypatch.context() as outage:
        outage.setattr(second, "_claim", AsyncMock(side_effect=RedisError))
        await asyncio.sleep(0.1)
        assert not waiting.done(), "the first one is there, and goes on"
    await asyncio.sleep(0.1)
    assert not waiting.done()
    assert await first.keep()
    await first.leave()
    await asyncio.wait_for(waiting, 10)
    assert not await first.keep(), "it has to stop"


async def test_one_alone_begins_without_redis(first: Leader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(first, "_claim", AsyncMock(side_effect=RedisError))
    await asyncio.wait_for(first.wait(APPLICATION), 10)


async def test_one_that_is_not_heard_of_any_more_is_gone(
    first: Leader, second: Leader, client: redis.asyncio.Redis
) -> None:
    await first.wait(APPLICATION)
    assert 0 < await client.ttl(keys.leader(APPLICATION)) <= leader.GONE_AFTER_S
    await client.delete(keys.leader(APPLICATION))  # as if so long had passed
    await asyncio.wait_for(second.wait(APPLICATION), 10)
    await first.leave()
    assert await second.keep(), "who has lost the lead cannot take it away"


def _dead() -> str:
    """Number of a process that has ended."""
    child = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True)
    return child.stdout.strip()


async def test_one_that_was_killed_here_is_not_waited_for(client: redis.asyncio.Redis, first: Leader) -> None:
    dead = _dead()
    await client.set(keys.leader(APPLICATION), f"{leader._machine()} {dead} abc", ex=600)
    await asyncio.wait_for(first.wait(APPLICATION), 10)
    await client.set(keys.leader(APPLICATION), f"elsewhere/1/1 {dead} abc", ex=600)
    assert not await first.keep(), "what runs elsewhere cannot be seen from here"


async def test_who_slept_while_another_one_led_does_not_lead_again(
    first: Leader, second: Leader, client: redis.asyncio.Redis
) -> None:
    await first.wait(APPLICATION)
    await client.delete(keys.leader(APPLICATION))  # it stands still for so long that its claim lapses
    await first.require_term(client)
    assert await first.keep(), "nobody has taken over"
    await client.delete(keys.leader(APPLICATION))
    await second.wait(APPLICATION)
    await second.leave()
    with pytest.raises(Overtaken):
        await first.require_term(client)
    assert not await first.keep(), "what it knows is of before the other one"
    await second.require_term(client)
