"""Admins allow a channel to be learned from, and take it back."""

import pytest
import redis

from playground.places import GUILD_ID
from shared.models import ModelRecord
from tests.bot.channels import names, read, worked_off
from tests.bot.ids import ADA, ATRIUM, BEN, CELLAR, LAB, TAVERN
from tests.bot.live import Live, text_of
from tests.bot.members import model_of, stored
from tests.driver.faults import Fault

pytestmark = pytest.mark.usefixtures("opted_in")


async def test_an_admin_allows_a_channel_and_its_members_are_told_there(live: Live) -> None:
    assert "I told its members there" in await live.ask("!allow-training #tavern")
    assert (await live.consents.allowed(GUILD_ID)).keys() == {TAVERN}
    assert "from members who said yes. Nobody has agreed yet: ask" in text_of(live.shown("I told its members there")[0])
    notice = text_of(await live.until(lambda: live.showing("may learn from this channel", channel="tavern"), "it"))
    for words in ("!optin", "!optout", "!privacy", "only from members who say yes"):
        assert words in notice
    assert "already allowed" in await live.ask(f"!allow-training <#{TAVERN}>")
    assert len(live.shown("may learn from this channel", channel="tavern")) == 1
    assert f"<#{TAVERN}>" in await live.ask("!allow-training")


async def test_the_answer_does_not_name_a_channel_to_those_who_do_not_see_it(live: Live) -> None:
    for part in ("I may now learn", "already allowed"):
        answer = await live.ask(f"!allow-training <#{CELLAR}>")
        assert part in answer
        assert "cellar" not in answer


async def test_off_deletes_the_models_of_the_channel_and_no_others(live: Live) -> None:
    for channel in (TAVERN, LAB):
        await live.consents.allow(GUILD_ID, channel, ADA)
    model_of(live, await stored(live, BEN))
    model_of(live, await stored(live, BEN, channel_id=LAB), "other", LAB)
    assert "I deleted 1 model of it" in await live.ask("!allow-training #tavern off")
    assert (await live.consents.allowed(GUILD_ID)).keys() == {LAB}
    assert await names(live) == ["other"]
    assert "don't learn from" in await live.ask("!allow-training #tavern off")


async def test_off_ends_what_waits_to_learn_the_channel_and_its_card_says_why(live: Live) -> None:
    job = await read(live)
    assert "don't learn from" in await live.ask("!allow-training #lab off")
    assert await live.core.jobs.channel_text(job.job_id) is None
    await live.until(lambda: live.showing("may no longer learn from its channel"), "the reason on the card")


async def test_what_redis_kept_off_from_deleting_is_deleted_later(live: Live) -> None:
    await live.consents.allow(GUILD_ID, TAVERN, ADA)
    model_of(live, await stored(live, BEN))
    remove, tries = live.models.registry.remove, 0

    async def fails_once(model: ModelRecord) -> bool:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise redis.ConnectionError
        return await remove(model)

    live.patch.setattr(live.models.registry, "remove", fails_once)
    await live.ask("!allow-training #tavern off")
    await worked_off(live.core.chores)
    assert await names(live) == []


async def test_a_channel_that_is_gone_can_be_taken_back(live: Live) -> None:
    await live.consents.allow(GUILD_ID, 4_711, ADA)
    assert "don't learn from" in await live.ask("!allow-training 4711 off")
    assert await live.consents.allowed(GUILD_ID) == {}


@pytest.mark.parametrize("typed", ["!allow-training", "!allow-training #tavern", "!allow-training #tavern off"])
async def test_members_allow_nothing(live: Live, typed: str) -> None:
    await live.consents.allow(GUILD_ID, LAB, ADA)
    for person in ("ben", "dora"):
        assert "Only members with Manage Server" in await live.ask(typed, person=person)
    assert (await live.consents.allowed(GUILD_ID)).keys() == {LAB}


@pytest.mark.parametrize(
    ("typed", "problem"),
    [
        ("!allow-training #nowhere", "can't find a channel"),
        ("!allow-training #tavern maybe", "Usage: `!allow-training"),
        (f"!allow-training <#{ATRIUM}>", "can't find a channel"),
    ],
)
async def test_what_cannot_be_allowed_is_explained(live: Live, typed: str, problem: str) -> None:
    assert problem in await live.ask(typed)
    assert await live.consents.allowed(GUILD_ID) == {}


async def test_where_the_bot_cannot_tell_the_members_nothing_is_allowed(live: Live) -> None:
    live.faults.add(Fault("POST", rf".*/channels/{TAVERN}/messages", 403, 50_013))
    assert "Discord doesn't let me do that here" in await live.ask("!allow-training #tavern")
    assert await live.consents.allowed(GUILD_ID) == {}
