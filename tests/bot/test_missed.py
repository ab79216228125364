"""What happened to messages while the bot heard nothing is found when Discord begins a new session with it."""

from __future__ import annotations

import discord
import pytest
from simcord.backend.models import Overwrite
from simcord.backend.models.message import Message
from simcord.enums import OverwriteType

from bot.channels.watch import Watch
from playground.places import USER_IDS
from shared.settings import Settings
from tests.bot.channels import (
    LAB,
    MESSAGES,
    Known,
    agreed,
    begin_outage,
    end_outage,
    is_gone,
    learned,
    lose_lab,
    read,
    talk,
    until,
    worked_off,
)
from tests.bot.live import Live
from tests.driver.faults import Fault

ADA = USER_IDS["ada"]


@pytest.fixture
def settings(opted_in: None, at_once: None) -> Settings:
    return Settings()


def delete(live: Live, message_id: int, channel_id: int = LAB) -> None:
    """A message is deleted, and nobody tells the bot."""
    del live.world.messages[channel_id][message_id]


def edit(live: Live, message_id: int, content: str) -> None:
    """A message is edited, and nobody tells the bot."""
    message: Message = live.world.messages[LAB][message_id]
    message.content, message.edited_timestamp = content, live.world.now_iso()


async def new_session(live: Live) -> None:
    """Discord begins one, and the bot has looked at everything."""
    cog = live.bot.get_cog("Watch")
    assert isinstance(cog, Watch)
    await cog.on_ready()
    await worked_off(live.bot.looks)


async def revision(known: Known) -> int:
    return (await known.live.bot.registry.revisions([known.transcript_id]))[known.transcript_id].now


async def test_what_was_deleted_or_edited_meanwhile(live: Live) -> None:
    ids, known = await read(live)
    for message_id in (ids[0], ids[148], ids[298]):
        delete(live, message_id)
    edit(live, ids[3], "!help that is a command now")
    edit(live, ids[4], "ben writes to ben@example.org now")
    await new_session(live)
    lines = await known.becomes(lambda lines: len(lines) == 196)
    numbers = {int(line.split()[4]) for line in lines if "long story" in line}
    assert not numbers & {0, 3, 4, 148, 298}
    assert "ben writes to someone now" in lines
    assert await revision(known) > 0, "what learned it is made again"


async def test_where_nothing_happened_nothing_is_stale(live: Live) -> None:
    ids, known = await read(live)
    edit(live, ids[2], "cleo never agreed")
    delete(live, ids[5])
    live.send("newer than all of it")
    await new_session(live)
    await live.handled()
    assert await revision(known) == 0
    assert len(await known.texts()) == 200


async def test_messages_of_threads_and_threads_that_are_gone(live: Live) -> None:
    talk(live, 120)
    await agreed(live, "ada", "ben")
    one, two = (live.world.create_thread(LAB, name, ADA) for name in ("one", "two"))
    said = [live.world.create_message(one.id, ADA, f"this is line {number} of thread one") for number in range(5)]
    live.world.create_message(two.id, ADA, "this is thread two")
    known = await learned(live)
    assert len(await known.texts()) == 86
    delete(live, said[3].id, one.id)
    del live.world.channels[two.id], live.world.messages[two.id]
    await new_session(live)
    lines = await known.becomes(lambda lines: len(lines) == 84)
    assert not {"this is line 3 of thread one", "this is thread two"} & set(lines)


async def test_a_channel_that_is_gone(live: Live) -> None:
    _, known = await read(live)
    lose_lab(live)
    await new_session(live)
    await until(lambda: is_gone(known))


async def test_a_bot_that_may_not_read_takes_nothing_for_deleted(live: Live) -> None:
    """Discord shows no message then, instead of refusing."""
    ids, known = await read(live)
    delete(live, ids[0])
    assert live.bot.user is not None
    denied = discord.Permissions(read_message_history=True).value
    live.world.get_channel(LAB).overwrites.append(
        Overwrite(live.bot.user.id, OverwriteType.MEMBER, allow=0, deny=denied)
    )
    live.world.announce_channel_update(LAB)
    channel = live.bot.get_channel(LAB)
    assert isinstance(channel, discord.TextChannel)
    await live.until(lambda: not channel.permissions_for(channel.guild.me).read_message_history, "the bot to hear it")
    await new_session(live)
    await live.handled()
    assert len(await known.texts()) == 200
    assert await revision(known) == 0


async def test_trouble_is_waited_out(live: Live) -> None:
    ids, known = await read(live)
    delete(live, ids[299 - 1])
    live.faults.add(Fault("GET", MESSAGES, 0, times=7))
    await new_session(live)
    await known.becomes(lambda lines: len(lines) == 199)


async def test_what_happened_in_an_outage_of_the_server(live: Live) -> None:
    ids, known = await read(live)
    await begin_outage(live)
    delete(live, ids[0])
    await new_session(live)
    assert len(await known.texts()) == 200, "nobody knows"
    end_outage(live)
    await known.becomes(lambda lines: len(lines) == 199)
