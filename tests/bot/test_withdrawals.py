"""Words that are taken back leave trainings, whatever breaks in between, and models that learned them."""

import asyncio
import time
from typing import Any

import pytest
import redis.asyncio
from redis.exceptions import RedisError

from bot.channels.consent import ConsentStore
from bot.channels.pages import without
from bot.jobs.client import JobClient
from bot.models.readings import ReadingNote
from bot.servers.access import Viewer
from playground.places import ANNEX_ID, GUILD_ID
from shared import keys
from shared.jobs import TrainJob
from tests.bot.channels import agreed, look, model_of, names, read, text_of, until, worked_off
from tests.bot.ids import ADA, ATRIUM, BEN, CLEO, LAB, TAVERN
from tests.bot.live import Live, text_of as shown_in
from tests.bot.stand_in import StandIn
from tests.factories import finished
from tests.readings import noted

WITHIN_S = 24 * 3_600

pytestmark = pytest.mark.usefixtures("opted_in")


async def note(live: Live, *members: int, channel_id: int = LAB, **fields: Any) -> ReadingNote:
    """A reading with these members' words, in a channel that is allowed; they agreed."""
    await live.consents.allow(GUILD_ID, channel_id, ADA)
    for member in members:
        await live.consents.agree(GUILD_ID, member)
    where = {"guild_id": GUILD_ID, "channel_id": channel_id}
    return await noted(live.models.registry.notes, *members, **{**where, **fields})


async def withdraw(live: Live, *users: int, why: str = "optout") -> None:
    """Members withdraw, and what follows in the background is done."""
    for user_id in users:
        await live.channels.withdrawals.withdraw(GUILD_ID, user_id, why=why)
    await worked_off(live.core.chores)


async def loaded(live: Live, reading: ReadingNote) -> ReadingNote:
    """A note as it is now."""
    found = await live.models.registry.notes.load(reading.reading_id)
    assert found is not None
    return found


async def state_of(live: Live, job: TrainJob) -> tuple[str, int]:
    """A training's state, and the number of its attempt."""
    fields: Any = await live.bot.redis.hmget(keys.job(job.job_id), "state", "attempt")
    state, attempt = fields
    return state.decode(), int(attempt)


def test_lines_go_with_their_numbers() -> None:
    text, authors = "one\ntwo\x0b half\nthree\nfour\n", b"".join(n.to_bytes(4, "little") for n in (1, 2, 1, 3))
    assert without(text, authors, {1}) == ("two\x0b half\nfour\n", authors[4:8] + authors[12:])
    assert without(text, authors, {1, 2, 3}) == ("", b"")
    assert without("", b"", {1}) == ("", b"")


# ---------------------------------------------------------------------- trainings


async def test_a_waiting_training_loses_the_words_and_goes_on(live: Live) -> None:
    job = await read(live)
    before = await text_of(live, job.job_id)
    await withdraw(live, BEN)
    left = await text_of(live, job.job_id)
    assert left.splitlines() == [line for line in before.splitlines() if not line.startswith("ben")] != []
    assert await state_of(live, job) == ("waiting", 1)
    again = await live.job(job.job_id, TrainJob)
    assert (again.corpus.chars, again.corpus.sha256 == job.corpus.sha256) == (len(left), False)
    assert job.reading is not None
    assert set(await live.models.registry.notes.members(job.reading.reading_id)) == {ADA}
    assert not await live.models.registry.is_withdrawn(again.readings), "its model will not have them"


async def test_a_begun_training_begins_anew_without_the_words(live: Live) -> None:
    job = await read(live)
    worker = StandIn(live.bot.settings)
    worker.tell(job.job_id)  # begins it
    assert await state_of(live, job) == ("begun", 1)
    await withdraw(live, BEN)
    assert await state_of(live, job) == ("waiting", 2)
    assert "ben" not in await text_of(live, job.job_id)
    await live.until(lambda: live.showing("A member withdrew"), "the card tells it")


async def test_of_two_who_withdraw_at_once_neither_comes_back(live: Live) -> None:
    job = await read(live, people=("ada", "ben", "cleo"))
    replace = JobClient.replace_text

    async def slow(self: JobClient, *args: Any) -> Any:
        await asyncio.sleep(0.1)
        return await replace(self, *args)

    live.patch.setattr(JobClient, "replace_text", slow)
    await live.channels.withdrawals.withdraw(GUILD_ID, BEN, why="optout")
    first = asyncio.create_task(live.channels.withdrawals.resume())
    await asyncio.sleep(0.05)
    await live.channels.withdrawals.withdraw(GUILD_ID, CLEO, why="optout")
    await asyncio.gather(first, live.channels.withdrawals.resume())
    await worked_off(live.core.chores)
    assert {line.split()[0] for line in (await text_of(live, job.job_id)).splitlines()} == {"ada"}


async def test_what_is_left_and_too_short_ends_the_training(live: Live) -> None:
    job = await read(live, people=("ben",))
    await withdraw(live, BEN)
    said = shown_in(await live.until(lambda: live.showing("Could not learn"), "the end"))
    assert "too short" in said
    assert not await text_of(live, job.job_id)
    assert not await live.bot.redis.exists(keys.job_text(job.job_id), keys.job_authors(job.job_id))


async def test_a_training_that_goes_on_from_a_model_of_the_words_ends(live: Live) -> None:
    model_of(live, "sea", await note(live, ADA, BEN))
    sent = live.send("!train python-docs --from sea")
    await until(lambda: live.core.jobs.load(f"t-{sent.id}"))
    await withdraw(live, BEN)
    await live.until(lambda: live.showing("words that have since been withdrawn"), "the end")


async def test_a_training_that_just_ended_leaves_a_model_that_is_made_again(live: Live) -> None:
    job = await read(live)
    model = model_of(live, "sea", *job.readings, corpus=job.corpus)
    StandIn(live.bot.settings).tell(job.job_id, finished(model=model))
    await withdraw(live, BEN)
    assert await live.models.registry.is_withdrawn(model.readings)
    assert await live.models.registry.gone_by(model) == pytest.approx(time.time() + WITHIN_S, abs=60)


# ---------------------------------------------------------------------- readings and models


async def test_all_readings_of_the_server_with_their_words_are_marked_and_no_others(live: Live) -> None:
    theirs, innocent = await note(live, ADA, BEN), await note(live, ADA, channel_id=TAVERN)
    elsewhere = await noted(live.models.registry.notes, BEN, guild_id=ANNEX_ID, channel_id=ATRIUM)
    learned, other = model_of(live, "learned", theirs), model_of(live, "innocent", innocent)
    done = await live.channels.withdrawals.withdraw(GUILD_ID, BEN, why="optout")
    assert (done.readings, [model.name for model in done.models]) == (1, [learned.name])
    consents = await live.consents.of(GUILD_ID)
    assert not consents.includes(BEN, 10**18)
    assert consents.includes(ADA, 10**18)
    assert [(await loaded(live, one)).withdrawn_at is None for one in (theirs, innocent, elsewhere)] == [
        False,
        True,
        True,
    ]
    assert await live.models.registry.gone_by(other) is None


async def test_who_is_in_nothing_withdraws_nothing(live: Live) -> None:
    reading, told = await note(live, ADA), list[str]()

    async def on_words_withdrawn() -> None:
        told.append("withdrawn")

    live.bot.add_listener(on_words_withdrawn)
    done = await live.channels.withdrawals.withdraw(GUILD_ID, BEN, why="optout")
    await worked_off(live.core.chores)
    assert (done.readings, done.models, told) == (0, (), [])
    assert (await loaded(live, reading)).withdrawn_at is None
    await withdraw(live, ADA)
    await live.until(lambda: told, "the event")
    for _ in range(2):  # as every minute, until its models are gone
        await live.channels.withdrawals.resume()
    await live.handled()
    assert len(told) == 1


async def test_the_time_runs_from_the_first_withdrawal(live: Live) -> None:
    reading = await note(live, ADA, BEN)
    await live.bot.redis.hset(keys.reading(reading.reading_id), "withdrawn_at", "7.0")
    await withdraw(live, ADA, BEN)
    assert (await loaded(live, reading)).withdrawn_at == 7.0


@pytest.mark.parametrize("deletes", [True, False])
async def test_past_its_time_a_model_cannot_be_used_deleted_or_not(live: Live, deletes: bool) -> None:
    reading = await note(live, ADA, BEN)
    model = model_of(live, "sea", reading)
    viewer = Viewer(GUILD_ID, [LAB], ADA)
    await live.remaking.stop()

    async def withdrawn(ago_s: float) -> list[str]:
        await live.bot.redis.hset(keys.reading(reading.reading_id), "withdrawn_at", str(time.time() - ago_s))
        return [one.name for one in await live.models.registry.usable(viewer)]

    assert await withdrawn(WITHIN_S - 60) == ["sea"]
    assert await withdrawn(WITHIN_S + 1) == []
    if not deletes:
        live.patch.setattr(live.models.registry, "remove", _refuse)
    await look(live)
    assert await names(live) == ([] if deletes else ["sea"])
    assert await live.models.registry.by_ids(viewer, [model.model_id]) == []


async def _refuse(*_: object) -> None:
    raise redis.ResponseError("OOM")


async def test_a_model_whose_reading_is_unknown_cannot_be_used_and_goes(live: Live) -> None:
    reading = await note(live, ADA)
    model_of(live, "sea", reading)
    await live.models.registry.notes.forget(reading.reading_id)
    assert await live.models.registry.usable(Viewer(GUILD_ID, [LAB], ADA)) == []
    await look(live)
    assert await names(live) == []


async def test_who_agrees_again_at_once_has_withdrawn_all_the_same(live: Live) -> None:
    reading = await note(live, ADA, BEN)
    await live.consents.refuse(GUILD_ID, BEN, reading.until + 1)  # and then the bot ended
    await live.consents.agree(GUILD_ID, BEN)
    await live.channels.withdrawals.resume()
    assert (await loaded(live, reading)).withdrawn_at is not None


# ---------------------------------------------------------------------- a bot that was off, and outages


async def test_what_a_crash_cut_off_is_made_up_for(live: Live) -> None:
    job = await read(live)
    learned = await note(live, ADA, CLEO)
    await live.consents.refuse(GUILD_ID, BEN, 10**18)  # and then the bot ended, before anything else
    await live.consents.refuse(GUILD_ID, CLEO, 10**18)
    await live.channels.withdrawals.resume()
    assert "ben" not in await text_of(live, job.job_id)
    assert (await loaded(live, learned)).withdrawn_at is not None


async def test_where_members_are_asked_only_words_of_those_who_agreed_stay(live: Live) -> None:
    """The operator was laxer before."""
    reading = await noted(live.models.registry.notes, ADA, BEN, guild_id=GUILD_ID, channel_id=LAB)
    await agreed(live, "ada")
    await live.channels.withdrawals.resume()
    assert (await loaded(live, reading)).withdrawn_at is not None


async def test_for_what_cannot_be_read_nothing_is_destroyed(live: Live) -> None:
    reading = await note(live, BEN)
    await live.bot.redis.hset(keys.consent(GUILD_ID), str(BEN), '{"state": "in"}')
    await live.channels.withdrawals.resume()
    assert (await loaded(live, reading)).withdrawn_at is None
    assert not (await live.consents.of(GUILD_ID)).includes(BEN, 1_000)


async def test_what_redis_did_not_take_out_is_taken_out_later(live: Live) -> None:
    job = await read(live)
    replace, tries = JobClient.replace_text, 0

    async def fails_once(self: JobClient, *args: Any) -> Any:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise redis.ConnectionError
        return await replace(self, *args)

    live.patch.setattr(JobClient, "replace_text", fails_once)
    await withdraw(live, BEN)
    assert await live.models.registry.is_withdrawn(job.readings) or tries > 1, "nobody starts from it meanwhile"

    async def is_out() -> bool:
        return "ben" not in await text_of(live, job.job_id)

    await until(is_out)


async def test_an_outage_is_told_and_leaves_a_no(live: Live) -> None:
    reading = await note(live, BEN)
    with live.patch.context() as broken:
        broken.setattr(live.bot.redis, "hset", _lost)
        with pytest.raises(RedisError):
            await live.channels.withdrawals.withdraw(GUILD_ID, BEN, why="optout")
    assert not (await live.consents.of(GUILD_ID)).includes(BEN, 10**18)
    await live.channels.withdrawals.resume()
    assert (await loaded(live, reading)).withdrawn_at is not None
    after_restart = ConsentStore(settings=live.bot.settings, client=live.bot.redis)
    assert not (await after_restart.of(GUILD_ID)).includes(BEN, 10**18)


async def _lost(*_: object) -> None:
    raise redis.ConnectionError
