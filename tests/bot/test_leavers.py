"""Who leaves a server or is banned withdraws; what was learned goes with its server and its channel."""

from typing import Any
from unittest.mock import AsyncMock, Mock

import discord
import pytest

from bot.app import Galvanic
from bot.channels import watch
from bot.channels.watch import Watch
from playground.places import ANNEX_ID, BOT_ID, GUILD_ID, USER_IDS
from shared import keys
from shared.jobs import TrainJob
from shared.settings import Settings
from tests.bot.channels import (
    Away,
    agreed,
    being_read,
    members_of,
    model_of,
    names,
    note_of,
    queued,
    read,
    talk,
    talked,
    text_of,
    until,
    worked_off,
)
from tests.bot.ids import ADA, ATRIUM, BEN, CLEO, LAB, LIBRARY
from tests.bot.live import Live, cog
from tests.driver.faults import Fault
from tests.readings import noted


@pytest.fixture
def members_intent() -> bool:
    """Whether the bot uses the privileged intent."""
    return False


@pytest.fixture
def settings(redis_url: str, opted_in: None, members_intent: bool) -> Settings:
    return Settings(members_intent=members_intent)


async def nothing_of(live: Live, guild_id: int) -> bool:
    return not await live.consents.allowed(guild_id) and not (await live.consents.of(guild_id)).agreed


async def looked(live: Live) -> None:
    """Have the bot look at everything, as after a start and once a day, and wait for what follows."""
    watching = cog(live.bot, Watch)
    await watching.on_ready()
    await worked_off(watching.looks)
    await worked_off(live.core.chores)


async def has_withdrawn(live: Live, user_id: int, job: TrainJob) -> bool:
    answer = await live.consents.answer(GUILD_ID, user_id)
    return answer is not None and answer.state == "out" and user_id not in await members_of(live, job)


# ---------------------------------------------------------------------- servers


async def test_nothing_is_kept_of_a_server_that_the_bot_was_removed_from(live: Live) -> None:
    bot = live.bot
    talk(live, 900, channel_id=ATRIUM)
    await live.consents.allow(ANNEX_ID, ATRIUM, BEN)
    await live.consents.agree(ANNEX_ID, BEN)
    await live.consents.refuse(ANNEX_ID, CLEO, 1)
    notes = live.models.registry.notes
    annex = await noted(notes, BEN, guild_id=ANNEX_ID, channel_id=ATRIUM)
    job = await read(live)
    for guild_id, reading in ((ANNEX_ID, annex), (GUILD_ID, await note_of(live, job))):
        model_of(live, f"of-{guild_id}", reading, guild_id=guild_id)
        model_of(live, f"book-{guild_id}", guild_id=guild_id)
    live.world.remove_guild(ANNEX_ID)
    await until(lambda: nothing_of(live, ANNEX_ID))
    assert await names(live, ANNEX_ID) == [f"book-{ANNEX_ID}"]
    assert await notes.ids(ANNEX_ID) == {}
    answers = (await live.consents.of(ANNEX_ID)).answers
    assert {who: answer.state for who, answer in answers.items()} == {CLEO: "out"}, "a no is kept, should it return"
    assert await names(live) == [f"book-{GUILD_ID}", f"of-{GUILD_ID}"]
    assert len((await text_of(live, job.job_id)).splitlines()) == 200
    assert await bot.redis.scard(keys.DELETING) == 1, "its files are to go"
    for guild_id in (ANNEX_ID, GUILD_ID):
        await bot.redis.hset(keys.LEFT, str(guild_id), 1)
    await looked(live)
    assert await names(live, ANNEX_ID) == [], "it did not return within a month"
    assert ANNEX_ID not in await live.core.joined.left()
    assert not await bot.redis.exists(keys.LEFT), "and where the bot is, a month begins anew when it leaves"
    assert await names(live) == [f"book-{GUILD_ID}", f"of-{GUILD_ID}"]


async def test_personas_and_what_was_played_go_with_their_server(live: Live) -> None:
    unheard = 7  # the bot was removed from it while it was off
    for guild_id in (ANNEX_ID, unheard, GUILD_ID):
        await live.bot.redis.hset(keys.personas(guild_id), "mary", "{}")
        await live.bot.redis.hset(keys.quiz_scores(guild_id), str(BEN), "3:4")
        await live.bot.redis.zadd(keys.best(guild_id), {"1:2": 3})
    await live.bot.redis.hset(keys.APPLICATIONS, str(unheard), str(BOT_ID))
    live.world.remove_guild(ANNEX_ID)
    await live.until(lambda: live.bot.get_guild(ANNEX_ID) is None, "the removal")
    await looked(live)
    left = [[key(guild_id) for key in (keys.personas, keys.quiz_scores, keys.best)] for guild_id in (ANNEX_ID, unheard)]
    assert not await live.bot.redis.exists(*left[0], *left[1])
    assert await live.bot.redis.exists(keys.personas(GUILD_ID), keys.quiz_scores(GUILD_ID), keys.best(GUILD_ID)) == 3


async def test_removed_while_the_bot_was_off(live: Live) -> None:
    """A damaged record keeps no other server's words."""
    damaged, gone = 1_297_000_000_000_000_098, 1_297_000_000_000_000_099
    for guild_id in (damaged, damaged + 5, gone):
        await live.bot.redis.hset(keys.APPLICATIONS, str(guild_id), str(BOT_ID))
    await live.bot.redis.set(keys.guild_models(damaged), "of another type")
    await live.bot.redis.hset(keys.consent(damaged + 5), "no number", "in")
    await live.consents.allow(gone, 5, ADA)
    for guild_id in (gone, GUILD_ID):
        await live.consents.agree(guild_id, ADA)
    await cog(live.bot, Watch).on_ready()
    await until(lambda: nothing_of(live, gone))
    assert (await live.consents.of(GUILD_ID)).agreed == {ADA}


async def test_servers_of_another_application_keep_their_data(live: Live) -> None:
    """As of Discord's, when the playground is started with the same Redis."""
    theirs = 1_297_000_000_000_000_099
    await live.bot.redis.hset(keys.APPLICATIONS, str(theirs), str(BOT_ID + 1))
    await live.bot.redis.hset(keys.LEFT, str(theirs), 1)
    await live.consents.agree(theirs, ADA)
    model_of(live, "sea", guild_id=theirs)
    await looked(live)
    assert (await live.consents.of(theirs)).agreed == {ADA}
    assert await names(live, theirs) == ["sea"]


async def test_a_server_that_the_bot_joins_while_it_looks_keeps_its_data(live: Live) -> None:
    connection, annex = live.bot._connection, live.bot.get_guild(ANNEX_ID)
    assert annex is not None
    connection._remove_guild(annex)
    await live.consents.agree(ANNEX_ID, ADA)
    hgetall = live.bot.redis.hgetall

    async def join_meanwhile(key: str) -> Any:
        noted = await hgetall(key)
        if key == keys.APPLICATIONS:
            connection._add_guild(annex)
        return noted

    live.patch.setattr(live.bot.redis, "hgetall", join_meanwhile)
    await looked(live)
    assert (await live.consents.of(ANNEX_ID)).agreed == {ADA}


async def test_deleted_channels_of_all_servers_come_before_members_who_left(live: Live) -> None:
    watching, looks = cog(live.bot, Watch), list[str]()
    for name in ("look_for_channels", "_look_for_members"):

        async def look(_: int, name: str = name) -> None:
            looks.append(name)

        live.patch.setattr(watching, name, look)
    await looked(live)
    assert looks == ["look_for_channels"] * 2 + ["_look_for_members"] * 2


# ---------------------------------------------------------------------- members


@pytest.mark.parametrize("members_intent", [True])
async def test_whoever_leaves_withdraws_at_once_with_the_intent(live: Live, members_intent: bool) -> None:
    assert live.bot.intents.members is members_intent
    job = await read(live)
    live.world.remove_member(GUILD_ID, CLEO)
    live.world.remove_member(GUILD_ID, BEN)
    await until(lambda: has_withdrawn(live, BEN, job))
    assert "ben" not in await text_of(live, job.job_id)
    assert await live.consents.answer(GUILD_ID, CLEO) is None, "of whom nothing was known nothing is known now"


async def test_whoever_left_is_found_without_the_intent(live: Live) -> None:
    assert not live.bot.intents.members
    job = await read(live)
    live.world.remove_member(GUILD_ID, BEN)
    await live.handled()
    await looked(live)
    assert await has_withdrawn(live, BEN, job)
    assert (await live.consents.of(GUILD_ID)).agreed == {ADA}
    assert len((await text_of(live, job.job_id)).splitlines()) == 100


async def test_that_the_bot_itself_is_not_there_does_not_mean_that_all_left(live: Live) -> None:
    job = await read(live)
    unknown = discord.NotFound(Mock(status=404, reason="Not Found"), {"code": 10_004, "message": "Unknown Guild"})
    live.patch.setattr(live.bot.http, "get_member", AsyncMock(side_effect=unknown))
    await looked(live)
    assert len((await text_of(live, job.job_id)).splitlines()) == 200


async def test_the_bot_hears_of_nothing_more_where_it_does_not_learn(redis_url: str) -> None:
    bot = Galvanic(Settings(channel_training="off", members_intent=True))
    assert not bot.intents.members
    assert not bot.intents.moderation
    await bot.close()


async def test_a_server_that_is_half_forgotten_is_found_again(live: Live) -> None:
    gone = 1_297_000_000_000_000_099
    await looked(live)  # the first look would come in between
    await live.bot.redis.hset(keys.APPLICATIONS, str(gone), str(BOT_ID))
    note = await noted(live.models.registry.notes, BEN, guild_id=gone, channel_id=5)
    model_of(live, "theirs", note, guild_id=gone)
    remove = live.models.registry.remove

    async def fails(*_: Any) -> None:
        live.patch.setattr(live.models.registry, "remove", remove)
        raise RuntimeError("the bot ends here")

    live.patch.setattr(live.models.registry, "remove", fails)
    await looked(live)
    assert await names(live, gone) == ["theirs"]
    await looked(live)
    assert await names(live, gone) == []


async def test_an_outage_of_a_server_is_no_removal(live: Live) -> None:
    await live.consents.agree(GUILD_ID, ADA)
    model_of(live, "sea")
    live.world.emit("GUILD_DELETE", {"id": str(GUILD_ID), "unavailable": True})
    await live.until(lambda: live.guild.unavailable, "the outage")
    await looked(live)
    assert (await live.consents.of(GUILD_ID)).agreed == {ADA}
    assert await names(live) == ["sea"]


async def test_leavers_of_a_server_that_is_loaded_late_are_found(live: Live) -> None:
    gone = USER_IDS["dora"]
    live.world.get_guild(GUILD_ID).members.pop(gone)
    await live.consents.agree(GUILD_ID, gone)
    live.guild.unavailable = True
    live.patch.setattr(watch, "UNAVAILABLE_S", 0.1)
    await cog(live.bot, Watch)._look_for_members(GUILD_ID)
    assert (await live.consents.of(GUILD_ID)).agreed == {gone}
    live.guild.unavailable = False
    await until(lambda: nothing_of(live, GUILD_ID))


async def no_models(live: Live) -> bool:
    """Whether the server has none."""
    return not await names(live)


async def test_a_deleted_channel_is_forbidden_and_its_models_go(live: Live) -> None:
    job = await read(live)
    model_of(live, "sea", *job.readings)
    live.remove_channel(LAB)
    await until(lambda: no_models(live))
    await worked_off(live.core.chores)
    assert LAB not in await live.consents.allowed(GUILD_ID)
    assert await live.core.jobs.channel_text(job.job_id) is None, "and trainings on it end"


async def test_a_deleted_thread_that_is_being_read_by_itself_is_not_learned(live: Live) -> None:
    await agreed(live, "ada")
    await live.readings.stop()
    thread = live.world.create_thread(LAB, "one", ADA)
    await live.until(lambda: live.guild.get_thread(thread.id), "the thread")
    live.send(f"!train <#{thread.id}>")
    await until(lambda: being_read(live))
    live.remove_channel(thread.id)
    await live.until(lambda: live.guild.get_thread(thread.id) is None, "the deletion")
    await worked_off(live.core.chores)
    assert await being_read(live) == []


async def test_a_deleted_thread_that_was_learned_by_itself_takes_its_models_along(live: Live) -> None:
    await talked(live, 120, "ada", "ben")
    thread = live.world.create_thread(LAB, "one", ADA)
    for number in range(60):
        live.world.create_message(thread.id, ADA, f"this is the thread's line {number}")
    await live.until(lambda: live.guild.get_thread(thread.id), "the thread")
    job = await queued(live, live.send(f"!train <#{thread.id}>").id)
    assert job.reading is not None
    assert (job.reading.source_id, job.reading.channel_id) == (thread.id, LAB)
    model_of(live, "sea", *job.readings)
    live.world.delete_channel(thread.id)
    await until(lambda: no_models(live))


async def test_while_redis_is_away_it_is_remembered(live: Live) -> None:
    job = await read(live)
    model_of(live, "sea", *job.readings)
    away = Away(live)
    away.gone = True
    live.remove_channel(LAB)
    await live.until(lambda: away.refused >= 10, "tries")
    away.gone = False
    await until(lambda: no_models(live))


@pytest.mark.parametrize("sees_channels", [True, False])
async def test_what_was_deleted_or_forbidden_meanwhile_is_found_at_a_start(live: Live, sees_channels: bool) -> None:
    job = await read(live)
    model_of(live, "sea", *job.readings)
    if not sees_channels:
        live.guild._channels.clear()
    await live.bot.redis.delete(f"guild:{GUILD_ID}:allowed")
    await looked(live)
    assert await names(live) == []


GONE = 1_297_999_999_999_999_999


async def test_what_was_lost_while_the_bot_was_away_makes_room(live: Live) -> None:
    models: dict[str, dict[str, Any]] = {
        "lost": {"channel_id": GONE},
        "lent": {"channel_id": GONE, "shared_with": (LIBRARY,)},
        "public": {"channel_id": GONE, "scope": "guild"},
        "here": {"channel_id": LAB},
    }
    for name, fields in models.items():
        model_of(live, name, **{"scope": "channel", **fields})
    archived = live.world.create_channel(GUILD_ID, "archived").id
    live.guild._channels.pop(archived, None)  # as an archived thread
    model_of(live, "archived", scope="channel", channel_id=archived)
    path = rf".*/channels/({GONE}|{archived})"
    for status in (404, 403):  # not Discord's
        live.faults.clear()
        live.faults.add(Fault("GET", path, status, times=20))  # the bot may look as well, as it does after its start
        with pytest.raises(discord.HTTPException):  # so it is asked again
            await cog(live.bot, Watch).look_for_channels(GUILD_ID)
        assert "lost" in {model.name for model in await live.models.registry.all(GUILD_ID)}
    live.faults.clear()
    live.faults.add(Fault("GET", path, 404, 404, times=20))  # a proxy's, or of another server of the protocol
    await looked(live)
    assert "lost" in {model.name for model in await live.models.registry.all(GUILD_ID)}
    live.faults.clear()
    await looked(live)
    left = {model.name for model in await live.models.registry.all(GUILD_ID)}
    assert left == {"lent", "public", "here", "archived"}
    assert await live.bot.redis.smembers(keys.DELETING) == {b"lost"}
