"""Passing troubles of Discord are told in plain words where anything can be told, and logged without a traceback."""

from __future__ import annotations

from unittest.mock import Mock

import discord
import pytest
from structlog.testing import capture_logs

from bot import background, errors
from bot.gateway import sync_if_changed
from playground.places import CHANNEL_IDS, USER_IDS
from shared import keys
from shared.settings import Settings
from tests.bot.live import Live
from tests.driver.faults import Fault

ADA, LAB = USER_IDS["ada"], CHANNEL_IDS["lab"]
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
    live.patch.setattr(background, "PAUSES_S", (0.05, 0.05))
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
