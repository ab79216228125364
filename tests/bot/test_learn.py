"""Channels' models that learn on by themselves: when, from what, and who is told."""

import time
from datetime import UTC, datetime
from typing import Any

import pytest

from bot.channels.watch import Watch
from bot.train.cog_learn import Schedule
from playground.places import GUILD_ID
from shared import keys
from shared.models import ModelRecord
from tests.bot.channels import look, model_of, talked, text_of as words_of
from tests.bot.ids import ADA, BEN, LAB
from tests.bot.live import Live, cog, text_of
from tests.bot.test_remake import queued
from tests.readings import noted

pytestmark = pytest.mark.usefixtures("opted_in")

DAY_S = 86_400.0
NOON = datetime(2026, 5, 4, 12, tzinfo=UTC).timestamp()
TOLD = "A model keeps learning from this channel"


async def learned(live: Live, name: str = "sea", **fields: Any) -> ModelRecord:
    """#lab's model, which learned words of Ada and Ben eight days ago."""
    where = {"guild_id": GUILD_ID, "channel_id": LAB}
    note = await noted(live.models.registry.notes, ADA, BEN, **{**where, **fields})
    model = model_of(live, name, note, created_at=time.time() - 8 * DAY_S)
    await live.models.registry.use(LAB, model)
    return model


async def ready(live: Live) -> ModelRecord:
    """People talked in #lab a month ago, Ada and Ben agreed, and its model learned that."""
    await talked(live, 300, "ada", "ben")
    return await learned(live)


async def planned(live: Live) -> None:
    """#lab's model learns on, and last did eight days ago."""
    schedule = Schedule(guild_id=GUILD_ID, source_id=LAB, every=0, at=time.time() - 8 * DAY_S, new=1)
    await live.bot.redis.hset(keys.LEARNING, str(LAB), schedule.model_dump_json())


async def schedule_of(live: Live) -> Schedule:
    """Of #lab's model, which learns on."""
    schedule = await live.learning._load(LAB)
    assert schedule is not None
    return schedule


async def look_twice(live: Live) -> None:
    await look(live)
    await live.learning.look()
    await live.learning.look()


# ---------------------------------------------------------------------- when


@pytest.mark.parametrize(
    ("every", "last_h", "new", "due"),
    [
        (0, 12, 5, True),  # the night has passed since
        (0, 12, 0, False),  # nobody said anything
        (0, 8, 5, False),  # learned last night
        (0, 24 * 3, 5, True),  # missed, as the bot was down: once
        (500, 24, 500, True),
        (500, 24, 499, False),
        (500, 5, 900, False),  # not so often
    ],
)
def test_it_is_due_by_night_or_by_messages(every: int, last_h: float, new: int, due: bool) -> None:
    made = NOON - last_h * 3_600
    schedule = Schedule(guild_id=1, source_id=2, every=every, at=made, new=new)
    assert schedule.is_due(made, NOON) == due


# ---------------------------------------------------------------------- turned on and off


async def test_an_admin_turns_it_on_and_the_channels_members_are_told_once(live: Live) -> None:
    await ready(live)
    assert "doesn't keep learning by itself" in await live.ask("!learn", channel="library")
    live.slash("ada", "learn", when="nightly")
    told = text_of(await live.until(lambda: live.whispered("ada", "`sea` is made again from"), "the answer"))
    assert "every night at 3:00 UTC" in told
    notice = text_of(await live.until(lambda: live.showing(TOLD), "the notice"))
    for said in ("`sea`", f"<#{LAB}>", "members who agreed", "as it is then", "`!optin`", "`!optout`"):
        assert said in notice
    live.send("!learn every 500")
    await live.until(lambda: live.showing("after every 500 new messages, at most every 6 hours"), "the change")
    assert len(live.shown(TOLD)) == 1
    schedule = await schedule_of(live)
    assert (schedule.source_id, schedule.every) == (LAB, 500)
    live.bot.settings.server_disk_mb = 0
    assert "isn't possible at the moment: This server's models take" in await live.ask("!learn")
    live.send("!learn off")
    await live.until(lambda: live.showing("by itself any more"), "the end")
    assert await live.learning._load(LAB) is None


@pytest.mark.parametrize(
    ("typed", "person", "words"),
    [
        ("!learn nightly", "ben", "Only members with Manage Server"),
        ("!learn hourly", "ada", "can't be `hourly`"),
        ("!learn every", "ada", "!learn every 500"),
        ("!learn every 99", "ada", "from 100 to"),
    ],
)
async def test_what_cannot_be_is_explained(live: Live, typed: str, person: str, words: str) -> None:
    await ready(live)
    assert words in await live.ask(typed, person=person)
    assert await live.learning._load(LAB) is None
    assert not live.shown(TOLD)


async def test_what_cannot_learn_on_is_refused_and_nobody_is_told(live: Live) -> None:
    assert "has no model now" in await live.ask("!learn nightly")
    book = model_of(live, "book")
    await live.models.registry.use(LAB, book)
    assert "`book` isn't a model that I trained on one channel alone" in await live.ask("!learn nightly")
    await learned(live)
    assert "haven't allowed me to learn" in await live.ask("!learn nightly")
    assert not live.shown(TOLD)
    assert await live.learning._load(LAB) is None


# ---------------------------------------------------------------------- learning on


async def test_it_is_made_again_of_all_that_those_who_agreed_wrote_since_its_first_message(live: Live) -> None:
    model = await ready(live)
    await planned(live)
    await look_twice(live)
    job = await queued(live)
    assert (job.replaces, job.options.name, job.parent) == ("sea", "sea", None)
    assert job.corpus.title == "#lab"
    lines = (await words_of(live, job.job_id)).splitlines()
    assert len(lines) == 200
    assert not [line for line in lines if line.startswith("cleo")]
    assert len(live.core.delivery.in_background) == 1, "once"
    schedule = await schedule_of(live)
    assert schedule.at == pytest.approx(time.time(), abs=60)

    heir = model_of(live, "sea-2", *job.readings, replaces="sea", options=job.options)
    await look(live)
    (now_there,) = await live.models.registry.all(GUILD_ID)
    assert (now_there.model_id, now_there.name, now_there.replaces) == (heir.model_id, model.name, None)
    assert (await live.core.servers.channel([LAB])).model == "sea-2"


async def test_a_model_that_was_made_anew_since_is_not_due(live: Live) -> None:
    """Somebody withdrew, or two channels have the same model."""
    model = await ready(live)
    await live.models.registry.amend(model, lambda one: one.model_copy(update={"created_at": time.time() - 60}))
    await planned(live)
    await look_twice(live)
    assert await live.core.snapshots.trainings() == []


async def test_what_one_model_left_out_as_too_early_no_later_one_learns(live: Live) -> None:
    ids = await talked(live, 300, "ada", "ben")
    await learned(live, after=ids[149])
    await planned(live)
    await look_twice(live)
    job = await queued(live)
    assert (await words_of(live, job.job_id)).splitlines()[0].startswith("ada says word number 150 ")


async def test_it_is_forgotten_with_its_channel_and_with_its_server(live: Live) -> None:
    await planned(live)
    elsewhere = Schedule(guild_id=5, source_id=6, every=0, at=time.time())
    await live.bot.redis.hset(keys.LEARNING, "7", elsewhere.model_dump_json())
    await live.learning.look()
    assert len(await live.bot.redis.hkeys(keys.LEARNING)) == 2, "another application may be in that server"
    await cog(live.bot, Watch).forget_server(5)
    assert await live.bot.redis.hkeys(keys.LEARNING) == [str(LAB).encode()]
    live.remove_channel(LAB)
    await live.until(lambda: live.guild.get_channel(LAB) is None, "the end of the channel")
    await live.learning.look()
    assert await live.bot.redis.hkeys(keys.LEARNING) == []
