"""The bot on a local Discord over sockets, in this process: no worker, but all that people type and all it answers."""

import asyncio
from collections.abc import AsyncIterator
from typing import cast

import discord
import pytest
import redis.asyncio
import yarl

from bot.app import Galvanic
from bot.channels.watch import Watch
from bot.jobs.client import JobClient
from bot.models.audience import Audience
from bot.models.registry import Registry
from bot.servers.settings import GuildSettingsStore
from playground.places import BOT_ID
from playground.server import Playground, open_port
from shared.connect import connect, connect_async
from shared.settings import Settings
from tests.bot.channels import worked_off
from tests.bot.live import Live, cog
from tests.bot.stand_in import StandIn
from tests.driver import BOT_TOKEN
from tests.driver.control import Driver, extend

PAUSES = {
    "background.CHORE_RETRY_S": 0.05,
    "background.PAUSES_S": (0.05, 0.05),
    "channels.cog.EVERYWHERE_EVERY_S": 0.0,
    "channels.reading.RETRY_S": 0.05,
    "channels.watch.PAUSE_S": 0.0,
    "jobs.delivery._RETRY_S": 0.05,
    "talk.personas.PAUSE_S": (0.0, 0.0),
    "talk.speaker.REST_S": 0.0,
    "train.card.EDIT_EVERY_S": 0.05,
    "train.card.LOOK_AGAIN_S": 0.05,
    "train.card.RETRY_S": 0.05,
}
"""Of the bot in tests, in seconds: nothing that a test waits for takes long."""


@pytest.fixture(autouse=True)
def no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody has to wait between two requests, and the bot pauses for a moment only."""
    for name, pause in PAUSES.items():
        monkeypatch.setattr(f"bot.{name}", pause)
    for command in ("TRAIN", "GENERATE"):
        monkeypatch.setenv(f"{command}_COOLDOWN_S", "0")


@pytest.fixture
def opted_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """Members may agree to be learned from."""
    monkeypatch.setenv("CHANNEL_TRAINING", "opt-in")


@pytest.fixture
def channels_on(live: Live) -> None:
    """Learning from channels is on, but was off at the bot's start: it has looked for nothing to delete."""
    live.bot.settings.channel_training = "opt-in"


@pytest.fixture
def worker(live: Live) -> StandIn:
    """With a model that everybody can use in #lab, and without a wait between two answers in a chat."""
    live.bot.settings.chat_cooldown_s = 0
    worker = StandIn(live.bot.settings)
    worker.add_model()
    return worker


@pytest.fixture
def queue(settings: Settings, client: redis.asyncio.Redis) -> JobClient:
    return JobClient(settings, client)


@pytest.fixture
def registry(client: redis.asyncio.Redis, settings: Settings) -> Registry:
    """Without Discord: nobody is asked who could have read a channel."""
    audience = Audience(cast(discord.Client, None), settings)
    return Registry(client, settings, GuildSettingsStore(settings, client), audience)


@pytest.fixture
def sync(settings: Settings) -> redis.Redis:
    """The same Redis for whoever waits for its answers, as workers do."""
    return connect(settings)


@pytest.fixture
async def client(settings: Settings) -> AsyncIterator[redis.asyncio.Redis]:
    client = connect_async(settings)
    yield client
    await client.aclose()


@pytest.fixture
async def driver(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Driver]:
    """A local Discord, where bots of this process connect to. Its servers have had the bot for long: no greeting."""
    playground = Playground(open_port(0), bot_token=BOT_TOKEN)
    for guild in playground.world.guilds.values():
        guild.members[BOT_ID].joined_at = "2024-10-19T00:00:00+00:00"
    driver = extend(playground)
    monkeypatch.setattr(discord.http.Route, "BASE", f"{playground.url}/api/v10")
    gateway = yarl.URL(playground.url.replace("http", "ws", 1) + "/gateway")
    monkeypatch.setattr(discord.gateway.DiscordWebSocket, "DEFAULT_GATEWAY", gateway)
    stop = asyncio.Event()
    served = asyncio.create_task(playground.serve(stop))
    yield driver
    stop.set()
    await served


@pytest.fixture
def lacks() -> frozenset[str]:
    """The intents that Discord does not grant the bot."""
    return frozenset()


@pytest.fixture
async def live(
    settings: Settings, driver: Driver, lacks: frozenset[str], monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Live]:
    """A connected bot, and the world that it is in."""
    bot = Galvanic(settings, lacks)
    bot._connection.guild_ready_timeout = 0.05
    running = asyncio.create_task(bot.start(BOT_TOKEN))
    ready = asyncio.create_task(bot.wait_until_ready())
    done, _ = await asyncio.wait({running, ready}, timeout=120, return_when=asyncio.FIRST_COMPLETED)
    assert ready in done, running.exception() if running.done() else "the bot did not get ready"
    live = Live(bot, driver, monkeypatch)
    await live.until(lambda: _has_begun(bot), "the bot to look for jobs of an earlier run")
    for queue in (cog(bot, Watch).looks, bot.core.chores):  # and for what happened to channels meanwhile
        await worked_off(queue)
    yield live
    await bot.close()
    await running


def _has_begun(bot: Galvanic) -> bool:
    """Whether it has looked for jobs of an earlier run: those of a test are not to be taken for such."""
    return bot.has_begun and bot.core.delivery._seen is not None
