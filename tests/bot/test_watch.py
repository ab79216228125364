"""What people do on Discord to messages that were read before, and to themselves, reaches the transcripts."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import discord
import pytest
import redis
from simcord.backend.serializers import guild_create_payload

from bot.client import Galvanic
from bot.transcripts import leavers, watch
from bot.transcripts.store import Line
from playground.places import ANNEX_ID, CHANNEL_IDS, GUILD_ID, USER_IDS
from shared import keys
from shared.jobs import TrainJob, TranscriptRef
from shared.settings import Settings
from tests import factories
from tests.bot.live import PATIENCE_S, Live
from tests.bot.test_reading import Pages, agreed, queued, talk
from tests.transcripts import written

LAB, ATRIUM = CHANNEL_IDS["lab"], CHANNEL_IDS["atrium"]
ADA, BEN, CLEO = USER_IDS["ada"], USER_IDS["ben"], USER_IDS["cleo"]


@pytest.fixture
def members_intent() -> bool:
    """Whether the bot uses the privileged intent."""
    return False


@pytest.fixture
def settings(redis_url: str, monkeypatch: pytest.MonkeyPatch, members_intent: bool) -> Settings:
    monkeypatch.setenv("CHANNEL_TRAINING", "opt-in")
    monkeypatch.setenv("TRAIN_COOLDOWN_S", "0")
    monkeypatch.setenv("MEMBERS_INTENT", str(members_intent))
    monkeypatch.setattr(watch, "GATHER_S", 0.05)
    monkeypatch.setattr(watch, "_TRY_AGAIN_S", 0.05)
    monkeypatch.setattr(leavers, "PAUSE_S", 0.0)
    monkeypatch.setattr(leavers, "_TRY_AGAIN_S", 0.05)
    return Settings()


class Known:
    """A transcript, as it is in Redis."""

    def __init__(self, live: Live, transcript_id: str) -> None:
        self.live = live
        self.transcript_id = transcript_id

    async def texts(self) -> list[str]:
        """Its lines, whoever's."""
        store = self.live.bot.transcripts
        return [line.text async for _, page in store.pages(self.transcript_id) for line in page]

    async def becomes(self, wanted: Callable[[list[str]], bool]) -> list[str]:
        """Wait until its lines are as wanted, and nothing is left to be taken out."""

        async def there() -> bool:
            noted = await self.live.bot.redis.exists(f"transcript:{self.transcript_id}:gone")
            return not noted and wanted(await self.texts())

        await until(there)
        return await self.texts()


async def until(condition: Callable[[], Awaitable[object]]) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            if await condition():
                return
            await asyncio.sleep(0.02)


async def learned(live: Live, typed: str = "!train #lab") -> Known:
    """What was read for a training that waits now."""
    job = await queued(live, live.send(typed).id)
    known = known_of(live, job)
    await until(lambda: is_complete(known))
    return known


def known_of(live: Live, job: TrainJob) -> Known:
    assert job.corpus.transcript is not None
    return Known(live, job.corpus.transcript.transcript_id)


async def is_complete(known: Known) -> bool:
    transcript = await known.live.bot.transcripts.load(known.transcript_id)
    return transcript is not None and transcript.reading is None


async def read(live: Live, *, people: tuple[str, ...] = ("ada", "ben")) -> tuple[list[int], Known]:
    """#lab is read; the ids of its messages, and the transcript."""
    ids = talk(live, 300)
    await agreed(live, *people)
    return ids, await learned(live)


class Away:
    """A Redis that cannot be reached by the bot, once `gone` is set."""

    def __init__(self, live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
        self.gone = False
        self.refused = 0
        pool = live.bot.redis.connection_pool
        connect = pool.get_connection

        async def get_connection(*args: Any, **options: Any) -> Any:
            if self.gone:
                self.refused += 1
                raise redis.ConnectionError("away")
            return await connect(*args, **options)

        monkeypatch.setattr(pool, "get_connection", get_connection)


# ---------------------------------------------------------------------- messages


async def test_a_deleted_message_leaves_and_a_model_of_it_is_stale(live: Live) -> None:
    ids, known = await read(live)
    before = (await live.bot.transcripts.revisions([known.transcript_id]))[known.transcript_id]
    live.world.delete_message(LAB, ids[0])
    lines = await known.becomes(lambda lines: not [line for line in lines if " number 0 " in line])
    assert len(lines) == 199
    after = (await live.bot.transcripts.revisions([known.transcript_id]))[known.transcript_id]
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
    assert transcript.revision.now == 1


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
    watching = live.bot.get_cog("Watch")
    assert isinstance(watching, watch.Watch)
    await live.until(lambda: not watching._changed, "all was heard")
    assert not watching._noted
    assert len(await known.texts()) == 200


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


async def test_words_go_also_when_another_transcript_cannot_be_read(live: Live) -> None:
    message_id, *_ = talk(live, 3)
    line = Line(message_id, ADA, "what is to go")
    broken, info = [
        await written(live.bot.transcripts, [line], guild_id=GUILD_ID, channel_id=LAB, until=10**19) for _ in range(2)
    ]
    await live.bot.redis.lset(keys.transcript_text(broken.transcript_id), 0, b"no page")
    live.world.delete_message(LAB, message_id)
    assert await Known(live, info.transcript_id).becomes(lambda lines: lines == []) == []


async def test_who_leaves_is_heard_also_when_another_server_is_in_trouble(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, known = await read(live)
    withdraw = live.bot.withdrawals.withdraw

    async def fails_elsewhere(guild_id: int, *args: Any, **options: Any) -> Any:
        if guild_id == ANNEX_ID:
            raise ValueError("no such luck")
        return await withdraw(guild_id, *args, **options)

    monkeypatch.setattr(live.bot.withdrawals, "withdraw", fails_elsewhere)
    await live.bot.consents.agree(ANNEX_ID, BEN)
    cog(live)._leave(ANNEX_ID, BEN)
    cog(live)._leave(GUILD_ID, BEN)
    await until(lambda: has_withdrawn(live, known, BEN))


async def test_what_somebody_edits_who_never_agreed_is_not_even_noted(live: Live) -> None:
    ids = talk(live, 900)
    await agreed(live, "ada", "ben")
    with Pages(live) as pages:
        live.send("!train #lab")
        await pages.begun()
        live.world.edit_message(LAB, ids[1], {"content": "ben says this instead"})
        live.world.edit_message(LAB, ids[2], {"content": "cleo says what is nobody's business"})
        (transcript,) = await live.bot.readings.of_guild(GUILD_ID)
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
    live.world.remove_channel(LAB)
    await until(lambda: is_gone(known))
    assert LAB not in await live.bot.consents.allowed(GUILD_ID)


async def test_a_channel_deleted_while_the_bot_was_off(live: Live) -> None:
    _, known = await read(live)
    guild = live.bot.get_guild(GUILD_ID)
    assert guild is not None
    guild._channels.pop(LAB)  # as after a start
    live.world.channels.pop(LAB)
    watching = live.bot.get_cog("Watch")
    assert isinstance(watching, watch.Watch)
    await watching.look_for_lost_channels(live.bot.guilds)
    await until(lambda: is_gone(known))
    assert LAB not in await live.bot.consents.allowed(GUILD_ID)


async def test_a_channel_deleted_while_the_connection_was_lost_and_redis_away(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, known = await read(live)
    guild = live.bot.get_guild(GUILD_ID)
    assert guild is not None
    guild._channels.pop(LAB)
    live.world.channels.pop(LAB)
    live.bot.consents._allowed.clear()
    away = Away(live, monkeypatch)
    away.gone = True
    live.bot.dispatch("ready")
    await live.until(lambda: away.refused >= 10, "tries")
    away.gone = False
    await until(lambda: is_gone(known))
    assert LAB not in await live.bot.consents.allowed(GUILD_ID)


async def test_a_channel_deleted_while_discord_did_not_show_its_server(live: Live) -> None:
    _, known = await read(live)
    guild = live.bot.get_guild(GUILD_ID)
    assert guild is not None
    live.world.emit("GUILD_DELETE", {"id": str(GUILD_ID), "unavailable": True})
    await live.until(lambda: guild.unavailable, "the outage")
    guild._channels.pop(LAB)
    live.world.channels.pop(LAB)
    there = live.world.guilds[GUILD_ID]
    there.channel_ids.remove(LAB)
    live.world.emit("GUILD_CREATE", guild_create_payload(live.world, there))
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


async def test_an_admin_takes_a_channel_back(live: Live) -> None:
    _, known = await read(live)
    await live.bot.consents.disallow(GUILD_ID, LAB, ADA)
    live.bot.dispatch("training_disallowed", GUILD_ID, LAB)
    await until(lambda: is_gone(known))


async def is_gone(known: Known) -> bool:
    return not await known.live.bot.transcripts.has_text(known.transcript_id)


async def test_nothing_is_kept_of_a_server_that_the_bot_was_removed_from(live: Live) -> None:
    bot = live.bot
    talk(live, 900, channel_id=ATRIUM)
    await bot.consents.allow(ANNEX_ID, ATRIUM, BEN)
    await bot.consents.agree(ANNEX_ID, BEN)
    await bot.consents.refuse(ANNEX_ID, CLEO, 1)
    store = bot.transcripts
    info = await store.create(
        guild_id=ANNEX_ID, channel_id=ATRIUM, source_id=ATRIUM, asked_by=BEN, reading="{}", until=10**19
    )
    _, other = await read(live)
    for guild_id, transcript_id in ((ANNEX_ID, info.transcript_id), (GUILD_ID, other.transcript_id)):
        known = await store.load(transcript_id)
        assert known is not None
        await register(live, guild_id, f"of-{guild_id}", (known.info.ref(known.revision.now),))
        await register(live, guild_id, f"book-{guild_id}", ())
    live.world.remove_guild(ANNEX_ID)
    await until(lambda: nothing_of(live, ANNEX_ID))
    assert await models_are(live, ANNEX_ID, [f"book-{ANNEX_ID}"])
    assert await store.all(ANNEX_ID) == []
    said = (await bot.consents.of(ANNEX_ID)).said
    assert {who: one.state for who, one in said.items()} == {CLEO: "out"}, "a no is kept, should it return"
    assert await models_are(live, GUILD_ID, [f"book-{GUILD_ID}", f"of-{GUILD_ID}"])
    assert len(await other.texts()) == 200

    async def files_are_to_go() -> bool:
        return not await bot.registry.deletions()

    await until(files_are_to_go)


async def test_a_server_that_is_half_forgotten_is_found_again(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    gone, bot = 1_297_000_000_000_000_099, live.bot
    await cog(live).cog_unload()  # whose first look would come in between
    info = await bot.transcripts.create(guild_id=gone, channel_id=5, source_id=5, asked_by=ADA, reading="{}")
    await register(live, gone, "theirs", (info.ref(0),))
    drop = bot.model_actions.drop

    async def fails(*_: Any) -> None:
        monkeypatch.setattr(bot.model_actions, "drop", drop)
        raise RuntimeError("the bot ends here")

    monkeypatch.setattr(bot.model_actions, "drop", fails)
    with pytest.raises(RuntimeError):
        await cog(live)._forget(gone)
    await cog(live).look_for_lost_servers()
    await cog(live)._carry_out()
    assert await models_are(live, gone, [])


async def models_are(live: Live, guild_id: int, names: list[str]) -> bool:
    return sorted(model.name for model in await live.bot.registry.all(guild_id)) == names


async def register(live: Live, guild_id: int, name: str, transcripts: tuple[Any, ...]) -> None:
    """A model, as a worker enters it."""
    record = factories.record(model_id=name, name=name, guild_id=guild_id, transcripts=transcripts)
    await live.bot.redis.hset(f"guild:{guild_id}:models", name, name)
    await live.bot.redis.set(f"model:{name}", record.model_dump_json())


async def test_an_outage_of_a_server_is_no_removal(live: Live) -> None:
    _, known = await read(live)
    live.world.emit("GUILD_DELETE", {"id": str(GUILD_ID), "unavailable": True})
    await live.until(lambda: live.bot.get_guild(GUILD_ID).unavailable, "the outage")  # type: ignore[union-attr]
    await cog(live)._carry_out()
    assert await cog(live).look_for_leavers(live.bot.get_guild(GUILD_ID)) == set()  # type: ignore[arg-type]
    assert len(await known.texts()) == 200
    assert (await live.bot.consents.of(GUILD_ID)).agreed == {ADA, BEN}


async def test_removed_while_the_bot_was_off(live: Live) -> None:
    gone = 1_297_000_000_000_000_099
    await live.bot.consents.allow(gone, 5, ADA)
    await live.bot.consents.agree(gone, ADA)
    await live.bot.consents.agree(GUILD_ID, ADA)
    await cog(live).look_for_lost_servers()
    await until(lambda: nothing_of(live, gone))
    assert (await live.bot.consents.of(GUILD_ID)).agreed == {ADA}


async def test_a_model_that_came_after_its_channel_was_deleted_goes_within_a_day(live: Live) -> None:
    gone = 1_297_999_999_999_999_999
    heard = TranscriptRef(transcript_id="t1", revision=0, guild_id=GUILD_ID, channel_id=gone)
    await register(live, GUILD_ID, "late", (heard,))
    assert await cog(live).look()
    assert await models_are(live, GUILD_ID, [])

    async def files_are_to_go() -> bool:
        return not await live.bot.registry.deletions()

    await until(files_are_to_go)


async def nothing_of(live: Live, guild_id: int) -> bool:
    return not await live.bot.consents.allowed(guild_id) and not (await live.bot.consents.of(guild_id)).agreed


# ---------------------------------------------------------------------- members


def cog(live: Live) -> leavers.Leavers:
    found = live.bot.get_cog("Leavers")
    assert isinstance(found, leavers.Leavers)
    return found


async def has_withdrawn(live: Live, known: Known, user_id: int) -> bool:
    said = await live.bot.consents.said(GUILD_ID, user_id)
    members = await live.bot.transcripts.members(known.transcript_id)
    return said is not None and said.state == "out" and user_id not in members


async def test_who_leaves_is_heard_also_when_a_lost_server_cannot_be_forgotten(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(_guild_id: int) -> None:
        raise ValueError("no such luck")

    _, known = await read(live)
    monkeypatch.setattr(live.bot.consents, "forget_guild", fails)
    cog(live)._removed.add(ANNEX_ID)
    cog(live)._leave(GUILD_ID, BEN)
    await until(lambda: has_withdrawn(live, known, BEN))


@pytest.mark.parametrize("members_intent", [True])
async def test_whoever_leaves_withdraws_at_once_with_the_intent(live: Live, members_intent: bool) -> None:
    assert live.bot.intents.members is members_intent
    _, known = await read(live)
    live.world.remove_member(GUILD_ID, CLEO)
    live.world.remove_member(GUILD_ID, BEN)
    await until(lambda: has_withdrawn(live, known, BEN))
    assert not [line for line in await known.texts() if "ben" in line]
    revision = (await live.bot.transcripts.revisions([known.transcript_id]))[known.transcript_id]
    assert revision.withdrawn == revision.now
    assert await live.bot.consents.said(GUILD_ID, CLEO) is None, "of whom nothing was known nothing is known now"


async def test_whoever_left_is_found_without_the_intent(live: Live) -> None:
    assert not live.bot.intents.members
    _, known = await read(live)
    live.world.remove_member(GUILD_ID, BEN)
    await live.handled()
    guild = live.bot.get_guild(GUILD_ID)
    assert guild is not None
    assert await cog(live).look_for_leavers(guild) == {BEN}
    await until(lambda: has_withdrawn(live, known, BEN))
    assert (await live.bot.consents.of(GUILD_ID)).agreed == {ADA}
    assert len(await known.texts()) == 100


async def test_a_ban_withdraws_without_the_intent(live: Live) -> None:
    _, known = await read(live)
    live.world.apply_ban(GUILD_ID, BEN, None)
    await until(lambda: has_withdrawn(live, known, BEN))


async def test_that_the_bot_itself_is_not_there_does_not_mean_that_all_left(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, known = await read(live)
    guild = live.bot.get_guild(GUILD_ID)
    assert guild is not None

    class Response:
        status, reason = 404, "Not Found"

    async def refused(*_: object) -> None:
        raise discord.NotFound(Response(), {"code": 10_004, "message": "Unknown Guild"})  # type: ignore[arg-type]

    monkeypatch.setattr(live.bot.http, "get_member", refused)
    with pytest.raises(discord.NotFound):
        await cog(live).look_for_leavers(guild)
    assert len(await known.texts()) == 200


async def test_the_bot_hears_of_nothing_more_where_it_does_not_learn(redis_url: str) -> None:
    bot = Galvanic(Settings(channel_training="off", members_intent=True))
    assert not bot.intents.members
    assert not bot.intents.moderation
    await bot.close()
