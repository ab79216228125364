"""Channels' models that learn on by themselves: when, from what, and who is told."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import discord
import pytest

from bot.channels.store import Line
from bot.train.learn import Schedule
from playground.places import CHANNEL_IDS, GUILD_ID, USER_IDS
from playground.tavern import OldMessage
from shared import keys
from shared.jobs import TrainJob
from shared.models import ModelRecord
from shared.settings import Settings
from shared.transcripts import TranscriptInfo
from tests import factories
from tests.bot.channels import look, model_of, names, talked
from tests.bot.live import Live, text_of
from tests.bot.test_remake import queued
from tests.transcripts import state_of, words, written

ADA, BEN = USER_IDS["ada"], USER_IDS["ben"]
LAB, LIBRARY = CHANNEL_IDS["lab"], CHANNEL_IDS["library"]
DAY_S = 86_400.0
NOON = datetime(2026, 5, 4, 12, tzinfo=UTC).timestamp()
TOLD = "A model keeps learning from this channel"


@pytest.fixture
def settings(opted_in: None) -> Settings:
    return Settings()


def ago(days: float) -> int:
    """The id of a message of so many days ago."""
    return discord.utils.time_snowflake(discord.utils.utcnow() - timedelta(days=days))


async def learned(live: Live, name: str = "sea", *, days: float | None = None, channel_id: int = LAB) -> ModelRecord:
    """#lab's model, of words of Ada and Ben of the last `days` (None: of any time)."""
    after = ago(days) if days is not None else 0
    lines = [Line(ago(1), author, f"a line by {author}") for author in (ADA, BEN)]
    info: TranscriptInfo = await written(
        live.channels.transcripts, lines, guild_id=GUILD_ID, channel_id=channel_id, after=after
    )
    model = model_of(live, name, info.ref(0))
    await live.models.registry.use(LAB, model)
    return model


async def ready(live: Live) -> ModelRecord:
    """People talked in #lab a month ago, Ada and Ben agreed, and its model learned that."""
    await talked(live, 300, "ada", "ben")
    return await learned(live)


async def planned(live: Live, *, days: float = 8, **fields: object) -> None:
    """#lab's model learns on, and last did so many days ago."""
    schedule = Schedule(guild_id=GUILD_ID, source_id=LAB, every=0, at=time.time() - days * DAY_S)
    changed = schedule.model_copy(update=fields)
    await live.bot.redis.hset(keys.LEARNING, str(LAB), changed.model_dump_json())


async def schedule_of(live: Live) -> Schedule:
    """Of #lab's model, which learns on."""
    schedule = await live.train.learning._load(LAB)
    assert schedule is not None
    return schedule


async def look_twice(live: Live) -> None:
    await look(live)
    await live.train.learning.look()
    await live.train.learning.look()


# ---------------------------------------------------------------------- when


@pytest.mark.parametrize(
    ("every", "last_h", "new", "due"),
    [
        (0, 12, 5, True),  # the night has passed since
        (0, 12, 0, False),  # nobody said anything
        (0, 8, 5, False),  # learned last night
        (0, 24 * 3, 5, True),  # missed, as the bot was down: once
        (0, 24 * 7, 0, True),  # old lines have to leave it
        (500, 24, 500, True),
        (500, 24, 499, False),
        (500, 5, 900, False),  # not so often
        (500, 24 * 7, 3, True),
    ],
)
def test_it_is_due_by_night_by_messages_and_each_week(every: int, last_h: float, new: int, due: bool) -> None:
    made = NOON - last_h * 3_600
    model = factories.record(model_id="m", created_at=made)
    schedule = Schedule(guild_id=1, source_id=2, every=every, at=made, new=new)
    assert schedule.is_due(model, NOON) == due
    assert schedule.model_copy(update={"at": 0.0}).is_due(model, NOON)


def test_a_model_that_was_made_anew_since_is_not_due() -> None:
    """Somebody withdrew, or two channels have the same model."""
    schedule = Schedule(guild_id=1, source_id=2, every=0, at=NOON - 2 * DAY_S, new=5)
    assert not schedule.is_due(factories.record(model_id="m", created_at=NOON - 60), NOON)


# ---------------------------------------------------------------------- turned on and off


async def test_an_admin_turns_it_on_and_the_channels_members_are_told_once(live: Live) -> None:
    await ready(live)
    assert "doesn't keep learning by itself" in await live.ask("!learn", channel="library")
    live.slash("ada", "learn", when="nightly")
    told = text_of(await live.until(lambda: live.whispered("ada", "`sea` is made again from"), "the answer"))
    assert "every night at 3:00 UTC" in told
    notice = text_of(await live.until(lambda: live.showing(TOLD), "the notice"))
    for said in ("`sea`", f"<#{LAB}>", "members who agreed", "in the last 180 days", "`!optin`", "`!optout`"):
        assert said in notice
    live.send("!learn every 500")
    await live.until(lambda: live.showing("after every 500 new messages"), "the change")
    assert len(live.shown(TOLD)) == 1
    schedule = await schedule_of(live)
    assert (schedule.source_id, schedule.every) == (LAB, 500)
    live.send("!learn off")
    await live.until(lambda: live.showing("by itself any more"), "the end")
    assert await live.train.learning._load(LAB) is None


async def test_only_admins_turn_it_on(live: Live) -> None:
    await ready(live)
    assert "Only members with Manage Server" in await live.ask("!learn nightly", person="ben")
    assert await live.train.learning._load(LAB) is None
    assert not live.shown(TOLD)


@pytest.mark.parametrize(
    ("typed", "words"),
    [("!learn hourly", "can't be `hourly`"), ("!learn every", "!learn every 500"), ("!learn every 99", "from 100 to")],
)
async def test_what_cannot_be_is_explained(live: Live, typed: str, words: str) -> None:
    assert words in await live.ask(typed)
    assert await live.train.learning._load(LAB) is None


async def test_what_cannot_learn_on_is_refused_and_nobody_is_told(live: Live) -> None:
    assert "has no model now" in await live.ask("!learn nightly")
    book = model_of(live, "book")
    await live.models.registry.use(LAB, book)
    assert "`book` can't keep learning by itself" in await live.ask("!learn nightly")
    await learned(live)
    assert "haven't allowed me to learn" in await live.ask("!learn nightly")
    assert not live.shown(TOLD)
    assert await live.train.learning._load(LAB) is None


# ---------------------------------------------------------------------- learning on


async def test_it_is_made_anew_of_what_is_not_too_old_by_those_who_agreed(live: Live) -> None:
    model = await ready(live)
    live.bot.settings.learn_days = 20
    now = discord.utils.utcnow()
    said = [
        OldMessage(USER_IDS[who], f"{who} says new words number {number} of it", now - timedelta(days=3))
        for number in range(60)
        for who in ("ada", "ben", "cleo")
    ]
    live.world.add_old_messages(LAB, said)
    await planned(live)
    await look_twice(live)
    job = await queued(live)
    assert (job.replaces, job.options.name, job.parent) == ("sea", "sea", None)
    assert job.corpus.title == "#lab"
    assert job.corpus.transcript is not None
    lines = await words(live.channels.transcripts, job.corpus.transcript.transcript_id)
    assert len(lines) == 120
    assert not [line for line in lines if "new words" not in line or line.startswith("cleo")]
    assert len(live.core.delivery.in_background) == 1, "once"
    schedule = await schedule_of(live)
    assert schedule.model_id == "sea"
    assert schedule.at == pytest.approx(time.time(), abs=60)

    heir = model_of(live, "sea-2", job.corpus.transcript, replaces="sea", options=job.options)
    await look(live)
    (now_there,) = await live.models.registry.all(GUILD_ID)
    assert (now_there.model_id, now_there.name, now_there.replaces) == (heir.model_id, model.name, None)
    assert (await live.core.servers.channel([LAB])).model == "sea-2"


async def test_made_again_for_a_withdrawal_it_gets_no_old_lines_back(live: Live) -> None:
    await live.models.registry.remove(await ready(live))
    model = await learned(live, days=20)
    old = await state_of(live.channels.transcripts, model.transcripts[0].transcript_id)
    await live.ask("!optout", person="ben")
    followed = live.core.delivery.in_background
    job_id = await live.until(lambda: next(iter(followed), None), "the training")
    job = await live.job(job_id, TrainJob)
    assert job.corpus.transcript is not None
    reading = await state_of(live.channels.transcripts, job.corpus.transcript.transcript_id)
    assert reading.info.after == old.info.after > 0


async def test_it_is_deleted_where_it_cannot_learn_on_and_is_too_old(live: Live) -> None:
    """The channel may not be learned from any more."""
    live.bot.settings.learn_days = 20
    await learned(live, "young", days=39)
    await planned(live)
    await look_twice(live)
    assert await names(live) == ["young"]
    await learned(live, "old", days=41)
    await look_twice(live)
    assert await names(live) == ["young"]
    assert live.showing("I deleted my model `old`: it could not be renewed") is not None


async def test_it_is_forgotten_with_its_channel_and_with_its_server(live: Live) -> None:
    await planned(live)
    elsewhere = Schedule(guild_id=5, source_id=6, every=0, at=time.time())
    await live.bot.redis.hset(keys.LEARNING, "7", elsewhere.model_dump_json())
    await live.train.learning.look()
    assert await live.bot.redis.hkeys(keys.LEARNING) == [str(LAB).encode()]
    live.remove_channel(LAB)
    await live.until(lambda: live.guild.get_channel(LAB) is None, "the end of the channel")
    await live.train.learning.look()
    assert await live.bot.redis.hkeys(keys.LEARNING) == []
    assert live.train.learning._followed == {}
    assert not live.train.learning._heard
