"""Answers through a Discord that takes them slowly, or asks for a pause: each once, and none sent to the line's end."""

from __future__ import annotations

import aiohttp
import pytest
from structlog.testing import capture_logs

from bot import gateway
from tests.bot.live import Live
from tests.driver.faults import Fault

POST = r"/channels/\d+/messages"


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


MANY = 1_000_000


async def test_a_guard_that_stays_is_asked_by_one_alone(live: Live) -> None:
    """Of three channels, in each of which somebody waits for words of the bot."""
    guard = live.faults.add(Fault("POST", POST, 429, times=MANY, retry_after=0.2, guard=True))
    with capture_logs() as logged:
        asked = [live.send("!help", channel=channel) for channel in ("lab", "library", "tavern")]

        def refused() -> int:
            return len([entry for entry in logged if entry["event"] == "discord_asks_for_a_pause"])

        await live.until(lambda: refused() >= 8, "eight refusals")
        live.faults.clear()
        await live.until(lambda: all(map(live.answer, asked)), "all answers")
    assert MANY - guard.times == refused()
