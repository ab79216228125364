"""What people do on Discord to messages and channels that were read before reaches the transcripts."""

from __future__ import annotations

import pytest
from simcord.backend.models import Message

from bot.channels.watch import Watch
from playground.places import GUILD_ID, USER_IDS
from tests.bot.channels import (
    LAB,
    Away,
    Pages,
    learned,
    read,
    talked,
    worked_off,
)
from tests.bot.live import Live

ADA, CLEO = USER_IDS["ada"], USER_IDS["cleo"]
pytestmark = pytest.mark.usefixtures("opted_in", "at_once")


# ---------------------------------------------------------------------- messages


async def test_a_deleted_message_leaves_and_a_model_of_it_is_stale(live: Live) -> None:
    ids, known = await read(live)
    before = await known.revision()
    live.world.delete_message(LAB, ids[0])
    lines = await known.becomes(lambda lines: not [line for line in lines if " number 0 " in line])
    assert len(lines) == 199
    after = await known.revision()
    assert after.now > before.now
    assert after.withdrawn == before.withdrawn == 0, "a training that runs goes on"


async def test_an_edited_message_is_cleaned_anew_and_no_speech_is_gone(live: Live) -> None:
    ids, known = await read(live)
    live.world.edit_message(LAB, ids[0], {"content": "ada writes to **all** now"})
    live.world.edit_message(LAB, ids[1], {"content": "!help that is a command now"})
    live.world.edit_message(LAB, ids[2], {"content": "cleo never agreed"})
    lines = await known.becomes(lambda lines: len(lines) == 199)
    assert lines[0] == "ada writes to all now"
    assert not [line for line in lines if "example" in line or "command" in line or "cleo" in line]


async def test_where_messages_cannot_be_read_an_edited_one_is_gone(live: Live) -> None:
    ids, known = await read(live)
    for connection in live.gateway._connections:
        assert connection.intents is not None
        connection.intents.message_content = False
    live.world.set_pinned(LAB, ids[1], True)
    live.world.edit_message(LAB, ids[0], {"content": "ada writes something else now"})
    lines = await known.becomes(lambda lines: len(lines) < 200)
    assert len(lines) == 199
    assert not [line for line in lines if " number 0 " in line or "else" in line]


async def test_what_is_deleted_while_it_is_read_is_never_learned(live: Live) -> None:
    ids = await talked(live, 900, "ada", "ben")
    with Pages(live) as pages:
        sent = await pages.begin()
        live.world.delete_message(LAB, ids[0])
        live.world.edit_message(LAB, ids[1], {"content": "ben says this instead"})
        live.world.bulk_delete_messages(LAB, ids[3:6])
        known = await learned(live, sent)
    lines = await known.becomes(lambda lines: len(lines) == 597)
    assert lines[0] == "ben says this instead"


async def test_messages_of_threads(live: Live) -> None:
    await talked(live, 120, "ada", "ben")
    open_one = live.world.create_thread(LAB, "in the open", ADA)
    archived = live.world.create_thread(LAB, "of last year", ADA)
    said = [live.world.create_message(thread.id, ADA, f"this is {thread.name}") for thread in (open_one, archived)]
    known = await learned(live)
    assert len(await known.texts()) == 82
    live.world.edit_channel(archived.id, {}, thread_metadata={"archived": True})
    await live.until(lambda: live.guild.get_thread(archived.id) is None, "an archived thread is known no more")
    for message in said:
        live.world.delete_message(message.channel_id, message.id)
    await known.becomes(lambda lines: not [line for line in lines if "this is" in line])


async def test_a_deleted_thread_takes_its_words_along_and_no_others(live: Live) -> None:
    await talked(live, 120, "ada", "ben")
    first, second = (live.world.create_thread(LAB, name, ADA) for name in ("one", "two"))
    for thread in (first, second):
        live.world.create_message(thread.id, ADA, f"this is thread {thread.name}")
    known = await learned(live)
    live.world.delete_channel(first.id)
    lines = await known.becomes(lambda lines: len(lines) == 81)
    assert "this is thread two" in lines


async def test_while_redis_is_away_it_is_remembered(live: Live) -> None:
    ids, known = await read(live)
    away = Away(live)
    away.gone = True
    live.world.delete_message(LAB, ids[0])
    live.world.edit_message(LAB, ids[1], {"content": "ben says this instead"})
    live.world.apply_ban(GUILD_ID, CLEO, None)
    await live.until(lambda: away.refused >= 10, "tries")
    away.gone = False
    lines = await known.becomes(lambda lines: len(lines) == 199)
    assert lines[0] == "ben says this instead"


# ---------------------------------------------------------------------- channels and servers


async def test_a_deleted_channel_is_forbidden_and_its_words_go(live: Live) -> None:
    _, known = await read(live)
    live.remove_channel(LAB)
    await known.gone()
    assert LAB not in await live.channels.consents.allowed(GUILD_ID)


# ---------------------------------------------------------------------- what nobody told of


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
    await worked_off(live.channels.looks)


async def test_what_was_deleted_or_edited_meanwhile(live: Live) -> None:
    ids, known = await read(live)
    for message_id in (ids[0], ids[148], ids[298]):
        delete(live, message_id)
    edit(live, ids[3], "!help that is a command now")
    edit(live, ids[4], "ben writes to **all** now")
    await new_session(live)
    lines = await known.becomes(lambda lines: len(lines) == 196)
    numbers = {int(line.split()[4]) for line in lines if "long story" in line}
    assert not numbers & {0, 3, 4, 148, 298}
    assert "ben writes to all now" in lines
    assert (await known.revision()).now > 0, "what learned it is made again"


async def test_a_bot_that_may_not_read_takes_nothing_for_deleted(live: Live) -> None:
    """Discord shows no message then, instead of refusing."""
    ids, known = await read(live)
    delete(live, ids[0])
    await live.deny("read_message_history")
    await new_session(live)
    await live.handled()
    assert len(await known.texts()) == 200
    assert (await known.revision()).now == 0
