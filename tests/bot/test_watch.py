"""What people do on Discord to messages and channels that were read before reaches the transcripts."""

from __future__ import annotations

import pytest
from simcord.backend.models import Message

from bot.channels.watch import Watch
from playground.places import CHANNEL_IDS, GUILD_ID, USER_IDS
from tests.bot.channels import (
    LAB,
    MESSAGES,
    Away,
    Pages,
    being_read,
    learned,
    model_of,
    names,
    read,
    talked,
    until,
    worked_off,
)
from tests.bot.live import Live
from tests.driver.faults import Fault
from tests.transcripts import state_of

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


async def test_an_edit_that_changes_no_words_changes_nothing(live: Live) -> None:
    ids, known = await read(live)
    live.world.set_pinned(LAB, ids[0], True)
    live.world.edit_message(LAB, ids[0], {"flags": 4})
    live.world.delete_message(LAB, ids[3])
    await known.becomes(lambda lines: len(lines) == 199)
    transcript = await state_of(live.bot.transcripts, known.transcript_id)
    assert (transcript.lines, transcript.revision) == (199, 1)


async def test_the_last_of_several_changes_counts(live: Live) -> None:
    ids, known = await read(live)
    for words in ("ada once", "ada twice", "ada at last"):
        live.world.edit_message(LAB, ids[0], {"content": words})
    live.world.edit_message(LAB, ids[3], {"content": "not for long"})
    live.world.delete_message(LAB, ids[3])
    lines = await known.becomes(lambda lines: len(lines) == 199 and "ada at last" in lines)
    assert "not for long" not in lines


async def test_newer_messages_and_other_channels_do_not_matter(live: Live) -> None:
    _, known = await read(live)
    newer = live.send("what is said after the reading")
    elsewhere = live.send("what is said elsewhere", channel="library")
    live.world.edit_message(LAB, newer.id, {"content": "something else"})
    live.world.delete_message(CHANNEL_IDS["library"], elsewhere.id)
    await live.handled()
    await worked_off(live.bot.chores)
    assert len(await known.texts()) == 200
    assert (await known.revision()).now == 0


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


async def test_what_somebody_edits_who_never_agreed_is_not_even_noted(live: Live) -> None:
    ids = await talked(live, 900, "ada", "ben")
    with Pages(live) as pages:
        await pages.begin()
        live.world.edit_message(LAB, ids[1], {"content": "ben says this instead"})
        live.world.edit_message(LAB, ids[2], {"content": "cleo says what is nobody's business"})
        (transcript,) = await being_read(live)
        gone = f"transcript:{transcript.transcript_id}:gone"
        await until(lambda: live.bot.redis.hexists(gone, f"m:{ids[2]}"))
        noted = await live.bot.redis.hgetall(gone)
    assert noted == {f"m:{ids[1]}".encode(): b"ben says this instead", f"m:{ids[2]}".encode(): b""}


async def test_a_note_at_the_very_end_of_a_reading_is_not_left_behind(live: Live) -> None:
    ids = await talked(live, 300, "ada", "ben")
    complete = live.bot.transcripts.complete

    async def slow(transcript_id: str) -> None:
        live.world.delete_message(LAB, ids[0])
        await until(lambda: live.bot.redis.exists(f"transcript:{transcript_id}:gone"))
        await complete(transcript_id)

    live.patch.setattr(live.bot.transcripts, "complete", slow)
    known = await learned(live)
    assert len(await known.becomes(lambda lines: len(lines) == 199)) == 199


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
    assert LAB not in await live.bot.consents.allowed(GUILD_ID)


async def test_a_channel_deleted_while_the_connection_was_lost_and_redis_away(live: Live) -> None:
    _, known = await read(live)
    live.lose_channel(LAB)
    away = Away(live)
    away.gone = True
    live.bot.dispatch("ready")
    await live.until(lambda: away.refused >= 10, "tries")
    away.gone = False
    await known.gone()
    assert LAB not in await live.bot.consents.allowed(GUILD_ID)


async def test_a_channel_deleted_while_discord_did_not_show_its_server(live: Live) -> None:
    _, known = await read(live)
    await live.begin_outage()
    live.lose_channel(LAB)
    live.world.guilds[GUILD_ID].channel_ids.remove(LAB)
    live.end_outage()
    await known.gone()


async def test_a_thread_of_its_own_is_deleted(live: Live) -> None:
    await talked(live, 3, "ada", "ben")
    thread = live.world.create_thread(LAB, "long", ADA)
    for number in range(60):
        live.world.create_message(thread.id, ADA, f"this is long message number {number} of the thread")
    known = await learned(live, f"!train <#{thread.id}>")
    ref = (await live.bot.transcripts.all())[0].info.ref(0)
    model_of(live, "long", ref, scope="guild")
    model_of(live, "other", scope="guild")
    live.world.delete_channel(thread.id)
    await known.gone()

    async def only_other() -> bool:
        return await names(live) == ["other"]

    await until(only_other)
    assert not (await live.bot.snapshots.look(now=True)).trainings
    assert LAB in await live.bot.consents.allowed(GUILD_ID)


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
    await worked_off(live.bot.looks)


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


async def test_where_nothing_happened_nothing_is_stale(live: Live) -> None:
    ids, known = await read(live)
    edit(live, ids[2], "cleo never agreed")
    delete(live, ids[5])
    live.send("newer than all of it")
    await new_session(live)
    await live.handled()
    assert (await known.revision()).now == 0
    assert len(await known.texts()) == 200


async def test_messages_of_threads_and_threads_that_are_gone(live: Live) -> None:
    await talked(live, 120, "ada", "ben")
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


async def test_a_bot_that_may_not_read_takes_nothing_for_deleted(live: Live) -> None:
    """Discord shows no message then, instead of refusing."""
    ids, known = await read(live)
    delete(live, ids[0])
    await live.deny("read_message_history")
    await new_session(live)
    await live.handled()
    assert len(await known.texts()) == 200
    assert (await known.revision()).now == 0


async def test_a_channel_that_is_gone_is_found_once_discord_tells(live: Live) -> None:
    _, known = await read(live)
    live.lose_channel(LAB)
    trouble = live.faults.add(Fault("GET", rf".*/channels/{LAB}", 404, times=3, guard=True))
    await new_session(live)
    await known.gone()
    assert not trouble.times


async def test_trouble_is_waited_out(live: Live) -> None:
    ids, known = await read(live)
    delete(live, ids[299 - 1])
    live.faults.add(Fault("GET", MESSAGES, 0, times=7))
    await new_session(live)
    await known.becomes(lambda lines: len(lines) == 199)


async def test_what_happened_in_an_outage_of_the_server(live: Live) -> None:
    ids, known = await read(live)
    await live.begin_outage()
    delete(live, ids[0])
    await new_session(live)
    assert len(await known.texts()) == 200, "nobody knows"
    live.end_outage()
    await known.becomes(lambda lines: len(lines) == 199)
