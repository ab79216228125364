"""What people do on Discord to messages and channels that were read before reaches the transcripts."""

from __future__ import annotations

import pytest

from playground.places import CHANNEL_IDS, GUILD_ID, USER_IDS
from shared.settings import Settings
from tests.bot.channels import (
    LAB,
    Away,
    Pages,
    agreed,
    begin_outage,
    being_read,
    end_outage,
    is_gone,
    known_of,
    learned,
    lose_lab,
    queued,
    read,
    taken_out,
    talk,
    until,
)
from tests.bot.live import Live

ADA, CLEO = USER_IDS["ada"], USER_IDS["cleo"]


@pytest.fixture
def settings(opted_in: None, at_once: None) -> Settings:
    return Settings()


# ---------------------------------------------------------------------- messages


async def test_a_deleted_message_leaves_and_a_model_of_it_is_stale(live: Live) -> None:
    ids, known = await read(live)
    before = (await live.bot.registry.revisions([known.transcript_id]))[known.transcript_id]
    live.world.delete_message(LAB, ids[0])
    lines = await known.becomes(lambda lines: not [line for line in lines if " number 0 " in line])
    assert len(lines) == 199
    after = (await live.bot.registry.revisions([known.transcript_id]))[known.transcript_id]
    assert after.now > before.now
    assert after.withdrawn == before.withdrawn == 0, "a training that runs goes on"


async def test_many_deleted_at_once(live: Live) -> None:
    ids, known = await read(live)
    live.world.bulk_delete_messages(LAB, ids[:150])
    lines = await known.becomes(lambda lines: len(lines) == 100)
    assert all(int(line.split()[4]) >= 150 for line in lines)


async def test_an_edited_message_is_cleaned_anew_and_no_speech_is_gone(live: Live) -> None:
    ids, known = await read(live)
    live.world.edit_message(LAB, ids[0], {"content": "ada writes to ada@example.org now"})
    live.world.edit_message(LAB, ids[1], {"content": "!help that is a command now"})
    live.world.edit_message(LAB, ids[2], {"content": "cleo never agreed"})
    lines = await known.becomes(lambda lines: len(lines) == 199)
    assert lines[0] == "ada writes to someone now"
    assert not [line for line in lines if "example" in line or "command" in line or "cleo" in line]


async def test_an_edit_that_changes_no_words_changes_nothing(live: Live) -> None:
    ids, known = await read(live)
    live.world.set_pinned(LAB, ids[0], True)
    live.world.edit_message(LAB, ids[0], {"flags": 4})
    live.world.delete_message(LAB, ids[3])
    await known.becomes(lambda lines: len(lines) == 199)
    transcript = await live.bot.transcripts.load(known.transcript_id)
    assert transcript is not None
    assert transcript.lines == 199
    assert transcript.revision == 1


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
    await taken_out(live)
    assert len(await known.texts()) == 200
    assert (await live.bot.registry.revisions([known.transcript_id]))[known.transcript_id].now == 0


async def test_what_is_deleted_while_it_is_read_is_never_learned(live: Live) -> None:
    ids = talk(live, 900)
    await agreed(live, "ada", "ben")
    with Pages(live) as pages:
        sent = live.send("!train #lab")
        await pages.begun()
        live.world.delete_message(LAB, ids[0])
        live.world.edit_message(LAB, ids[1], {"content": "ben says this instead"})
        live.world.bulk_delete_messages(LAB, ids[3:6])
        known = known_of(live, await queued(live, sent.id))
    lines = await known.becomes(lambda lines: len(lines) == 597)
    assert lines[0] == "ben says this instead"


async def test_what_somebody_edits_who_never_agreed_is_not_even_noted(live: Live) -> None:
    ids = talk(live, 900)
    await agreed(live, "ada", "ben")
    with Pages(live) as pages:
        live.send("!train #lab")
        await pages.begun()
        live.world.edit_message(LAB, ids[1], {"content": "ben says this instead"})
        live.world.edit_message(LAB, ids[2], {"content": "cleo says what is nobody's business"})
        (transcript,) = await being_read(live)
        gone = f"transcript:{transcript.transcript_id}:gone"
        await until(lambda: live.bot.redis.hexists(gone, f"m:{ids[2]}"))
        noted = await live.bot.redis.hgetall(gone)
    assert noted == {f"m:{ids[1]}".encode(): b"ben says this instead", f"m:{ids[2]}".encode(): b""}


async def test_a_note_at_the_very_end_of_a_reading_is_not_left_behind(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = talk(live, 300)
    await agreed(live, "ada", "ben")
    complete = live.bot.transcripts.complete

    async def slow(transcript_id: str) -> None:
        live.world.delete_message(LAB, ids[0])
        await until(lambda: live.bot.redis.exists(f"transcript:{transcript_id}:gone"))
        await complete(transcript_id)

    monkeypatch.setattr(live.bot.transcripts, "complete", slow)
    known = await learned(live)
    assert len(await known.becomes(lambda lines: len(lines) == 199)) == 199


async def test_messages_of_threads(live: Live) -> None:
    talk(live, 120)
    await agreed(live, "ada", "ben")
    open_one = live.world.create_thread(LAB, "in the open", ADA)
    archived = live.world.create_thread(LAB, "of last year", ADA)
    said = [live.world.create_message(thread.id, ADA, f"this is {thread.name}") for thread in (open_one, archived)]
    known = await learned(live)
    assert len(await known.texts()) == 82
    live.world.edit_channel(archived.id, {}, thread_metadata={"archived": True})
    await live.until(
        lambda: live.bot.get_guild(GUILD_ID).get_thread(archived.id) is None,  # type: ignore[union-attr]
        "an archived thread is known no more",
    )
    for message in said:
        live.world.delete_message(message.channel_id, message.id)
    await known.becomes(lambda lines: not [line for line in lines if "this is" in line])


async def test_a_deleted_thread_takes_its_words_along_and_no_others(live: Live) -> None:
    talk(live, 120)
    await agreed(live, "ada", "ben")
    first, second = (live.world.create_thread(LAB, name, ADA) for name in ("one", "two"))
    for thread in (first, second):
        live.world.create_message(thread.id, ADA, f"this is thread {thread.name}")
    known = await learned(live)
    live.world.delete_channel(first.id)
    lines = await known.becomes(lambda lines: len(lines) == 81)
    assert "this is thread two" in lines


async def test_while_redis_is_away_it_is_remembered(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    ids, known = await read(live)
    away = Away(live, monkeypatch)
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
    await until(lambda: is_gone(known))
    assert LAB not in await live.bot.consents.allowed(GUILD_ID)


async def test_a_channel_deleted_while_the_connection_was_lost_and_redis_away(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, known = await read(live)
    lose_lab(live)
    away = Away(live, monkeypatch)
    away.gone = True
    live.bot.dispatch("ready")
    await live.until(lambda: away.refused >= 10, "tries")
    away.gone = False
    await until(lambda: is_gone(known))
    assert LAB not in await live.bot.consents.allowed(GUILD_ID)


async def test_a_channel_deleted_while_discord_did_not_show_its_server(live: Live) -> None:
    _, known = await read(live)
    await begin_outage(live)
    lose_lab(live)
    live.world.guilds[GUILD_ID].channel_ids.remove(LAB)
    end_outage(live)
    await until(lambda: is_gone(known))


async def test_a_thread_of_its_own_is_deleted(live: Live) -> None:
    talk(live, 3)
    await agreed(live, "ada", "ben")
    thread = live.world.create_thread(LAB, "long", ADA)
    for number in range(60):
        live.world.create_message(thread.id, ADA, f"this is long message number {number} of the thread")
    known = await learned(live, f"!train <#{thread.id}>")
    live.world.delete_channel(thread.id)
    await until(lambda: is_gone(known))
    assert LAB in await live.bot.consents.allowed(GUILD_ID)
