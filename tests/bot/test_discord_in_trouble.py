"""Passing troubles of Discord are told in plain words where anything can be told, and logged without a traceback."""

from __future__ import annotations

import asyncio
import gc
import logging
from unittest.mock import Mock

import aiohttp
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
CALLBACK = r"/interactions/\d+/[^/]+/callback"


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


@pytest.mark.parametrize("times", [1, 3, 4])
@pytest.mark.parametrize("status", [0, 503])
async def test_a_command_that_discord_does_not_take_is_no_error(live: Live, status: int, times: int) -> None:
    live.patch.setattr(background, "PAUSES_S", (0.05, 0.05))
    fault = live.faults.add(Fault("POST", POST, status, times=times))
    with capture_logs() as logged:
        live.send("!help")
        if times < 4:
            await live.until(lambda: live.showing("Discord is having trouble"), "a word of it")
        else:
            await live.until(lambda: logged[-1:] and logged[-1]["event"] == "answer_not_posted", "the end of it")
    assert not fault.times
    assert {entry["log_level"] for entry in logged} <= {"info", "warning"}


@pytest.mark.parametrize(("status", "code"), [(404, 10_062), (0, 0)])
async def test_choices_that_come_too_late_are_no_error(
    live: Live, caplog: pytest.LogCaptureFixture, status: int, code: int
) -> None:
    live.faults.add(Fault("POST", CALLBACK, status, code))
    with caplog.at_level(logging.ERROR), capture_logs() as logged:
        await live.acts.autocomplete(ADA, LAB, "train", "source", "fra", {})
        await live.until(lambda: "choices_not_taken" in str(logged), "a word in the log")
    assert {entry["log_level"] for entry in logged} == {"info"}
    assert not caplog.records


@pytest.mark.parametrize(("status", "code"), [(403, 50_013), (400, 50_035)])
async def test_an_error_whose_embed_is_refused_is_said_as_text(live: Live, status: int, code: int) -> None:
    live.faults.add(Fault("POST", POST, status, code))
    assert (await live.ask("!model use nosuch")).startswith("❌ No model called `nosuch`")
    live.faults.add(Fault("POST", CALLBACK, status, code))
    live.slash("ada", "help", command="nosuch")
    said = await live.until(lambda: live.whispered("ada", "❌"), "the same of a slash command")
    assert said.content.startswith("❌ There is no command `nosuch`")


async def test_an_error_that_a_closed_channel_does_not_take_goes_to_the_person(live: Live) -> None:
    live.faults.add(Fault("POST", POST, 403, 50_001))
    live.send("!model use nosuch")
    await live.until(lambda: live.showing("No model called", channel=live.dm("ada")), "a direct message")
    assert not live.shown("❌")


async def test_an_error_whose_receipt_was_lost_is_not_told_twice(live: Live) -> None:
    live.patch.setattr(background, "PAUSES_S", (0.05, 0.05))
    fault = live.faults.add(Fault("POST", POST, 0, late=True))
    live.send("!generate the sea")
    await live.until(lambda: not fault.times, "the fault")
    await live.handled()
    assert len(live.shown("❌")) == 1


@pytest.mark.parametrize("by_menu", [False, True])
async def test_a_stop_while_an_interaction_is_answered_is_no_error(
    live: Live, caplog: pytest.LogCaptureFixture, recwarn: pytest.WarningsRecorder, by_menu: bool
) -> None:
    page = await live.answered(live.send("!help"))
    answering = live.faults.add(Fault("POST", CALLBACK, 200, wait_s=1.0))
    before = asyncio.all_tasks()
    with caplog.at_level(logging.ERROR), capture_logs() as logged:
        if by_menu:
            live.acts.select(ADA, LAB, page.id, "galvanic:help", ["train"])
        else:
            live.slash("ada", "status")
        await live.until(lambda: not answering.times, "the answer on its way")
        await live.bot.close()
        _, left = await asyncio.wait(asyncio.all_tasks() - before, timeout=30)
        gc.collect()
    assert not left
    assert {entry["log_level"] for entry in logged} <= {"info", "warning"}
    assert not [record for record in caplog.records if record.name.startswith("discord")]
    assert not recwarn.list


@pytest.mark.parametrize(("error", "level"), [(aiohttp.ServerDisconnectedError(), "warning"), (KeyError(), "error")])
async def test_a_listener_that_discord_interrupts_is_no_error(live: Live, error: Exception, level: str) -> None:
    async def on_heard() -> None:
        raise error

    live.bot.add_listener(on_heard)
    with capture_logs() as logged:
        live.bot.dispatch("heard")
        told = await live.until(lambda: [one for one in logged if one.get("doing") == "on_heard"], "a word in the log")
    assert [(one["log_level"], bool(one.get("exc_info"))) for one in told] == [(level, level == "error")]


async def test_commands_that_are_not_synced_do_not_keep_the_bot_from_starting(live: Live) -> None:
    await live.bot.redis.delete(keys.synced_commands(live.bot.application_id))
    fault = live.faults.add(Fault("PUT", r"/applications/\d+/commands", 0, times=10))
    with capture_logs() as logged:
        await sync_if_changed(live.bot.tree, live.bot.redis)
    assert fault.times < 10
    assert "commands_not_synced" in {entry["event"] for entry in logged}
