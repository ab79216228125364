"""Passing troubles of Discord are told in plain words, without a traceback, and answers come once, however slowly."""

import time
from unittest.mock import Mock

import aiohttp
import discord
import pytest
from structlog.testing import capture_logs

from bot import errors, gateway
from bot.gateway import sync_if_changed
from shared import keys
from shared.settings import Settings
from tests.bot.live import Live
from tests.driver.faults import Fault

POST = r"/channels/\d+/messages"


def refused(kind: type[discord.HTTPException], status: int) -> discord.HTTPException:
    return kind(Mock(status=status, reason=""), "")


@pytest.mark.parametrize(
    ("error", "passes"),
    [
        (refused(discord.DiscordServerError, 503), True),
        (refused(discord.HTTPException, 429), True),
        (refused(discord.Forbidden, 403), True),
        (discord.RateLimited(600.0), True),
        (TimeoutError(), True),
        (FileNotFoundError(), False),
        (refused(discord.HTTPException, 400), False),
    ],
)
def test_what_discord_gets_over_is_no_failure_of_ours(error: Exception, passes: bool) -> None:
    with capture_logs() as logged:
        told = errors.explain(error, "help", Settings(_env_file=None)).problem
    assert ("Discord is having trouble" in told) == passes == ("exc_info" not in logged[0])


async def test_an_error_whose_receipt_was_lost_is_not_told_twice(live: Live) -> None:
    fault = live.faults.add(Fault("POST", POST, 0, late=True))
    live.send("!generate the sea")
    await live.until(lambda: not fault.times, "the fault")
    await live.handled()
    assert len(live.shown("❌")) == 1


async def test_commands_that_are_not_synced_do_not_keep_the_bot_from_starting(live: Live) -> None:
    await live.bot.redis.delete(keys.synced_commands(live.bot.application_id))
    fault = live.faults.add(Fault("PUT", r"/applications/\d+/commands", 0, times=10))
    with capture_logs() as logged:
        await sync_if_changed(live.bot.tree, live.bot.redis)
    assert fault.times < 10
    assert "commands_not_synced" in {entry["event"] for entry in logged}


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway, "SILENT_S", 0.5)
    monkeypatch.setattr(aiohttp.client, "DEFAULT_TIMEOUT", aiohttp.client.DEFAULT_TIMEOUT)  # put back afterwards


async def test_a_request_that_discord_does_not_answer_is_given_up(impatient: None, live: Live) -> None:
    """Waiting for one's turn is no silence: one channel's posts go one after the other."""
    fault = live.faults.add(Fault("POST", POST, 200, times=8, wait_s=0.1))
    asked = [live.send("!help") for _ in range(8)]
    await live.until(lambda: len(live.shown("learns to write")) == len(asked), "all answers")
    assert not fault.times
    live.faults.add(Fault("POST", POST, 200, times=1, wait_s=60))
    live.send("!status")
    await live.until(lambda: live.showing("Discord is having trouble"), "a word of it")


async def test_all_requests_wait_while_a_guard_asks_for_a_pause(live: Live) -> None:
    pause_s, begun = 1.5, time.monotonic()
    guard = live.faults.add(Fault("POST", POST, 429, times=1, retry_after=pause_s, guard=True))
    asked = [live.send("!help")]
    await live.until(lambda: not guard.times, "the refusal")
    asked.append(live.send("!help", channel="library"))
    await live.until(lambda: any(map(live.answer, asked)), "an answer")
    assert time.monotonic() - begun >= pause_s
    await live.until(lambda: all(map(live.answer, asked)), "all answers")
