"""The bot finds its way to Discord, and back, without a flood of identifies; it refuses data of another version."""

import asyncio
import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from bot import gateway
from bot.__main__ import _serve
from bot.app import Galvanic
from bot.gateway import Identifies
from launcher.system import find_since
from shared.connect import connect
from shared.presence import TROUBLE
from shared.settings import Settings
from tests.bot.live import Live
from tests.driver import BOT_TOKEN
from tests.driver.control import Driver
from tests.driver.faults import Fault
from tests.processes import wait_until
from tests.s3 import free_port

pytestmark = pytest.mark.process


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every wait is a fiftieth of what it is."""
    monkeypatch.setattr(gateway, "LONGEST_WAIT_S", gateway.LONGEST_WAIT_S / 50)
    monkeypatch.setattr(gateway, "IDENTIFY_EVERY_S", 0.1)


@contextlib.contextmanager
def unreachable() -> Iterator[list[Any]]:
    """What is logged of Discord's absence."""
    with capture_logs() as logged:
        yield logged
    assert {entry["event"] for entry in logged if entry["log_level"] in ("warning", "error")} <= {"discord_unreachable"}


def tries(logged: list[Any]) -> list[Any]:
    return [entry for entry in logged if entry["event"] == "discord_unreachable"]


@pytest.mark.parametrize("resumed", [True, False])
async def test_after_an_outage_it_hears_what_is_said(
    live: Live, soon: None, caplog: pytest.LogCaptureFixture, resumed: bool
) -> None:
    """Also what was said meanwhile, if Discord still has the session."""
    with unreachable() as logged:
        await live.driver.drop(600)
        # By now discord.py itself would wait for minutes.
        await live.until(lambda: len(tries(logged)) >= 12, "twelve tries")
        assert live.bot.presence.away_since is not None
        assert max(entry["try_again_s"] for entry in tries(logged)) <= gateway.LONGEST_WAIT_S + 0.1
        missed = live.send("!help", channel="library")
        if not resumed:
            live.gateway.lost = None
        await live.driver.drop(0)
        await live.until(lambda: live.bot.presence.away_since is None, "the bot to be back")
    assert "!train" in await live.ask("!help")
    assert (live.answer(missed) is not None) == resumed
    assert not [record for record in caplog.records if record.exc_info]


async def test_a_start_while_discord_is_away_waits_for_it(
    settings: Settings, driver: Driver, soon: None, caplog: pytest.LogCaptureFixture
) -> None:
    """First its REST interface is, then its gateway."""
    away = [Fault("GET", "/users/@me", status, times=2) for status in (0, 503, 403)]
    for fault in away:
        driver.faults.add(fault)
    await driver.drop(600)
    async with Galvanic(settings) as bot:
        with unreachable() as logged:
            running = asyncio.create_task(_serve(bot, BOT_TOKEN))
            live = Live(bot, driver)
            await live.until(lambda: running.done() or len(tries(logged)) >= 10, "ten tries")
            assert not running.done(), running.exception()
            assert not any(fault.times for fault in away)
            await driver.drop(0)
            await live.until(bot.is_ready, "the bot")
        assert "!train" in await live.ask("!help")
    await running
    assert not [record for record in caplog.records if record.exc_info or "Unclosed" in record.getMessage()]


def test_a_bot_that_reaches_no_discord_says_so_in_few_words(settings: Settings, redis_url: str, tmp_path: Path) -> None:
    """To the log, and to whoever started it: `make run` shows what stands in Redis."""
    api = {"DISCORD_API_URL": f"http://127.0.0.1:{free_port()}/api/v10", "DISCORD_TOKEN": "any-token"}
    environment = os.environ | {"DATA_DIR": str(tmp_path), "REDIS_URL": redis_url} | api
    client = connect(settings)
    with (tmp_path / "log").open("w") as out:
        bot = subprocess.Popen([sys.executable, "-m", "bot"], cwd=tmp_path, env=environment, stderr=out)
    try:
        wait_until(lambda: "Discord can't be reached" in str(find_since(client, 0.0, TROUBLE)))
    finally:
        bot.terminate()
        assert bot.wait(30) == 0
    lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    assert len(tries(lines)) > 1
    assert not [line for line in lines if "exception" in line or line["level"] == "error"]


MOST_IDENTIFIES = 1_000


def test_discord_is_asked_to_greet_the_bot_less_than_a_thousand_times_a_day() -> None:
    """Whatever becomes of it each time, and however long that goes on: discord.py gives up each wait after 60 s."""
    identifies, now = Identifies(), 1e6
    sent: list[float] = []
    while now < 1e6 + 3 * 86_400:
        at = identifies.next(now)
        now = min(at, now + 60)
        if at == now:
            identifies.sent(now)
            sent.append(now)
    assert gateway.LONGEST_WAIT_S + gateway.IDENTIFY_EVERY_S < 15, "it is back soon all the same"
    assert max(sum(1 for at in sent if 0 <= at - begin < 86_400) for begin in sent[::50]) < MOST_IDENTIFIES
    assert min(later - earlier for earlier, later in pairwise(sent)) >= gateway.IDENTIFY_EVERY_S
    assert sent[20] - sent[0] < 200, "a few outages in a row delay nothing"
