"""Who leaves a server, or is banned from it, withdraws; nothing is kept of a server that the bot was removed from."""

from __future__ import annotations

from typing import Any
from unittest.mock import AsyncMock, Mock

import discord
import pytest

from bot.app import Galvanic
from bot.channels.watch import Watch
from playground.places import ANNEX_ID, CHANNEL_IDS, GUILD_ID, USER_IDS
from shared import keys
from shared.settings import Settings
from tests.bot.channels import Known, model_of, names, read, talk, until, worked_off
from tests.bot.live import Live
from tests.transcripts import state_of, written

ATRIUM = CHANNEL_IDS["atrium"]
ADA, BEN, CLEO = USER_IDS["ada"], USER_IDS["ben"], USER_IDS["cleo"]


@pytest.fixture
def members_intent() -> bool:
    """Whether the bot uses the privileged intent."""
    return False


@pytest.fixture
def settings(opted_in: None, at_once: None, members_intent: bool) -> Settings:
    return Settings(members_intent=members_intent)


async def nothing_of(live: Live, guild_id: int) -> bool:
    return not await live.channels.consents.allowed(guild_id) and not (await live.channels.consents.of(guild_id)).agreed


async def looked(live: Live) -> None:
    """The daily look, and what follows from it, is over."""
    watch = live.bot.get_cog("Watch")
    assert isinstance(watch, Watch)
    live.channels.looks.add(watch.look_for_leavers)
    await worked_off(live.channels.looks)
    await worked_off(live.core.chores)


async def has_withdrawn(live: Live, known: Known, user_id: int) -> bool:
    said = await live.channels.consents.said(GUILD_ID, user_id)
    members = await live.channels.transcripts.members(known.transcript_id)
    return said is not None and said.state == "out" and user_id not in members


# ---------------------------------------------------------------------- servers


async def test_nothing_is_kept_of_a_server_that_the_bot_was_removed_from(live: Live) -> None:
    bot = live.bot
    talk(live, 900, channel_id=ATRIUM)
    await bot.features.channels.consents.allow(ANNEX_ID, ATRIUM, BEN)
    await bot.features.channels.consents.agree(ANNEX_ID, BEN)
    await bot.features.channels.consents.refuse(ANNEX_ID, CLEO, 1)
    store = bot.features.channels.transcripts
    info = await written(store, [], guild_id=ANNEX_ID, channel_id=ATRIUM, until=10**19)
    _, other = await read(live)
    for guild_id, transcript_id in ((ANNEX_ID, info.transcript_id), (GUILD_ID, other.transcript_id)):
        known = await state_of(store, transcript_id)
        model_of(live, f"of-{guild_id}", known.info.ref(known.revision), guild_id=guild_id)
        model_of(live, f"book-{guild_id}", guild_id=guild_id)
    live.world.remove_guild(ANNEX_ID)
    await until(lambda: nothing_of(live, ANNEX_ID))
    assert await names(live, ANNEX_ID) == [f"book-{ANNEX_ID}"]
    assert await store.all(ANNEX_ID) == []
    said = (await bot.features.channels.consents.of(ANNEX_ID)).said
    assert {who: one.state for who, one in said.items()} == {CLEO: "out"}, "a no is kept, should it return"
    assert await names(live) == [f"book-{GUILD_ID}", f"of-{GUILD_ID}"]
    assert len(await other.texts()) == 200
    assert await bot.redis.scard(keys.DELETING) == 1, "its files are to go"


async def test_removed_while_the_bot_was_off(live: Live) -> None:
    gone = 1_297_000_000_000_000_099
    await live.channels.consents.allow(gone, 5, ADA)
    await live.channels.consents.agree(gone, ADA)
    await live.channels.consents.agree(GUILD_ID, ADA)
    await looked(live)
    assert await nothing_of(live, gone)
    assert (await live.channels.consents.of(GUILD_ID)).agreed == {ADA}


# ---------------------------------------------------------------------- members


@pytest.mark.parametrize("members_intent", [True])
async def test_whoever_leaves_withdraws_at_once_with_the_intent(live: Live, members_intent: bool) -> None:
    assert live.bot.intents.members is members_intent
    _, known = await read(live)
    live.world.remove_member(GUILD_ID, CLEO)
    live.world.remove_member(GUILD_ID, BEN)
    await until(lambda: has_withdrawn(live, known, BEN))
    assert not [line for line in await known.texts() if "ben" in line]
    revision = await known.revision()
    assert revision.withdrawn == revision.now
    assert await live.channels.consents.said(GUILD_ID, CLEO) is None, "of whom nothing was known nothing is known now"


async def test_whoever_left_is_found_without_the_intent(live: Live) -> None:
    assert not live.bot.intents.members
    _, known = await read(live)
    live.world.remove_member(GUILD_ID, BEN)
    await live.handled()
    await looked(live)
    assert await has_withdrawn(live, known, BEN)
    assert (await live.channels.consents.of(GUILD_ID)).agreed == {ADA}
    assert len(await known.texts()) == 100


async def test_that_the_bot_itself_is_not_there_does_not_mean_that_all_left(live: Live) -> None:
    _, known = await read(live)
    unknown = discord.NotFound(Mock(status=404, reason="Not Found"), {"code": 10_004, "message": "Unknown Guild"})
    live.patch.setattr(live.bot.http, "get_member", AsyncMock(side_effect=unknown))
    await looked(live)
    assert len(await known.texts()) == 200


async def test_the_bot_hears_of_nothing_more_where_it_does_not_learn(redis_url: str) -> None:
    bot = Galvanic(Settings(channel_training="off", members_intent=True))
    assert not bot.intents.members
    assert not bot.intents.moderation
    await bot.close()


async def test_a_server_that_is_half_forgotten_is_found_again(live: Live) -> None:
    gone, bot = 1_297_000_000_000_000_099, live.bot
    await looked(live)  # the first look would come in between
    info = await written(bot.features.channels.transcripts, [], guild_id=gone, channel_id=5)
    model_of(live, "theirs", info.ref(0), guild_id=gone)
    remove = bot.features.models.registry.remove

    async def fails(*_: Any) -> None:
        live.patch.setattr(bot.features.models.registry, "remove", remove)
        raise RuntimeError("the bot ends here")

    live.patch.setattr(bot.features.models.registry, "remove", fails)
    await looked(live)
    assert await names(live, gone) == ["theirs"]
    await looked(live)
    assert await names(live, gone) == []


async def test_an_outage_of_a_server_is_no_removal(live: Live) -> None:
    await live.channels.consents.agree(GUILD_ID, ADA)
    model_of(live, "sea")
    live.world.emit("GUILD_DELETE", {"id": str(GUILD_ID), "unavailable": True})
    await live.until(lambda: live.guild.unavailable, "the outage")
    await looked(live)
    assert (await live.channels.consents.of(GUILD_ID)).agreed == {ADA}
    assert await names(live) == ["sea"]
