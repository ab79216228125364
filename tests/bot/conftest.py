"""The bot on a local Discord over sockets, in this process: no worker, but all that people type and all it answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import discord
import pytest
import redis.asyncio
import yarl

from bot.client import Galvanic
from playground.server import Playground, open_port
from shared.connect import connect_async
from shared.settings import Settings
from tests.bot.live import Live


@pytest.fixture
async def client(settings: Settings) -> AsyncIterator[redis.asyncio.Redis]:
    client = connect_async(settings)
    yield client
    await client.aclose()


@pytest.fixture
async def live(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Live]:
    """A connected bot, and the world that it is in."""
    playground = Playground(open_port(0, insist=False), None)
    monkeypatch.setattr(discord.http.Route, "BASE", f"{playground.url}/api/v10")
    gateway = yarl.URL(playground.url.replace("http", "ws", 1) + "/gateway")
    monkeypatch.setattr(discord.gateway.DiscordWebSocket, "DEFAULT_GATEWAY", gateway)
    stop = asyncio.Event()
    served = asyncio.create_task(playground.serve(stop))
    bot = Galvanic(settings)
    bot._connection.guild_ready_timeout = 0.05
    running = asyncio.create_task(bot.start("any-token"))
    ready = asyncio.create_task(bot.wait_until_ready())
    done, _ = await asyncio.wait({running, ready}, timeout=30, return_when=asyncio.FIRST_COMPLETED)
    assert ready in done, running.exception() if running.done() else "the bot did not get ready"
    live = Live(bot, playground)
    await live.until(lambda: _has_begun(bot), "the bot to look for jobs of an earlier run")
    yield live
    await bot.close()
    stop.set()
    await asyncio.gather(running, served)


def _has_begun(bot: Galvanic) -> bool:
    """Whether it has looked for jobs of an earlier run: those of a test are not to be taken for such."""
    tasks = (task.get_coro() for task in bot.follower._tasks)
    return bot._presence is not None and not any(getattr(task, "__name__", "") == "_resume" for task in tasks)
