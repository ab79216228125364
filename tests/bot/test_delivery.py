"""A job that is asked for while the bot starts is answered by whoever asked, and by nobody else."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from playground.places import CHANNEL_IDS, GUILD_ID, USER_IDS
from shared import keys
from shared.connect import connect
from shared.events import Failed, Generated, Imported
from shared.jobs import GENERATE_QUEUE, Job
from tests import lives
from tests.bot.live import Live, text_of
from tests.factories import generate_job, place, record
from tests.registered import register
from worker.events import Superseded

LAB = CHANNEL_IDS["lab"]


@pytest.fixture(autouse=True)
async def _model(live: Live) -> None:
    """The model that the answers are by."""
    register(connect(live.bot.settings), record(guild_id=GUILD_ID, channel_id=LAB))


async def test_an_answer_is_posted_once_though_the_bot_only_just_starts(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    bot, worker = live.bot, connect(live.bot.settings)
    worker.zadd(keys.workers(GENERATE_QUEUE), {"w1": time.time() + 600})
    job = generate_job(place=place(guild_id=GUILD_ID, channel_id=LAB, user_id=USER_IDS["ada"]))
    send = bot.jobs.send

    async def slowly(*arguments: Any) -> None:
        await live.start_again()  # the job is entered, and nobody listens yet
        await send(*arguments)

    monkeypatch.setattr(bot.jobs, "send", slowly)
    channel = bot.get_channel(LAB)
    asked = asyncio.create_task(bot.delivery.ask(job, channel.send))  # type: ignore[union-attr]
    await live.until(lambda: worker.llen(GENERATE_QUEUE), "the job")
    await bot.delivery.ask(job, channel.send)  # type: ignore[union-attr]  # Discord delivered it twice
    log = lives.take(worker, job.job_id)
    log.publish(Generated(seed="the sea", text=" was calm", temperature=0.5, random_seed=1, seconds=0.1))
    await asked
    await live.handled()
    assert sum("was calm" in text_of(message) for message in live.world.messages[LAB].values()) == 1
    assert not await bot.jobs.undelivered()


async def test_what_took_too_long_does_not_come_about_after_all(live: Live) -> None:
    delivery, worker = live.bot.delivery, connect(live.bot.settings)
    job = generate_job(place=place(guild_id=GUILD_ID, channel_id=LAB, user_id=USER_IDS["ada"]))
    await live.bot.jobs.submit(job)
    log = lives.take(worker, job.job_id)
    slow = Failed(problem="slow")
    assert await delivery.end_of(job, 0.05, slow) == slow
    with pytest.raises(Superseded):
        log.enter(Imported(model=record(model_id="m9", guild_id=GUILD_ID)))
    assert not worker.exists(keys.model("m9"))
    assert log.is_over()


async def test_what_came_at_the_last_moment_is_the_answer(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    delivery, worker = live.bot.delivery, connect(live.bot.settings)
    job = generate_job(place=place(guild_id=GUILD_ID, channel_id=LAB, user_id=USER_IDS["ada"]))
    await live.bot.jobs.submit(job)
    give_up = live.bot.jobs.give_up

    async def just_before(job: Job, event: Failed) -> bool:
        log = lives.take(worker, job.job_id)
        log.publish(Generated(seed="the sea", text=" was calm", temperature=0.5, random_seed=1, seconds=0.1))
        return await give_up(job, event)

    monkeypatch.setattr(live.bot.jobs, "give_up", just_before)
    event = await delivery.end_of(job, 0.05, Failed(problem="slow"))
    assert event is not None
    assert event.kind == "generated"


async def test_two_who_wait_for_the_same_answer_both_get_it(live: Live) -> None:
    delivery, worker = live.bot.delivery, connect(live.bot.settings)
    job = generate_job(place=place(guild_id=GUILD_ID, channel_id=LAB, user_id=USER_IDS["ada"]))
    await live.bot.jobs.submit(job)
    first = asyncio.create_task(delivery.end_of(job, 600, Failed(problem="slow")))
    second = asyncio.create_task(delivery.end_of(job, 600, Failed(problem="slow")))
    await live.handled()
    log = lives.take(worker, job.job_id)
    log.publish(Generated(seed="the sea", text=" was calm", temperature=0.5, random_seed=1, seconds=0.1))
    found = await asyncio.wait_for(asyncio.gather(first, second), 20)
    assert found[0] is not None
    assert found[0] == found[1]
    assert not live.bot.jobs._news.keys() - {""}


async def test_an_answer_that_is_put_off_twice_is_posted_once(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    delivery, worker = live.bot.delivery, connect(live.bot.settings)
    job = generate_job(place=place(guild_id=GUILD_ID, channel_id=LAB, user_id=USER_IDS["ada"]))
    await live.bot.jobs.submit(job)
    undelivered = live.bot.jobs.undelivered

    async def meanwhile() -> set[str]:
        found = await undelivered()
        delivery.deliver_later(job)  # whoever asked for it could not post it
        return found

    with monkeypatch.context() as patched:
        patched.setattr(live.bot.jobs, "undelivered", meanwhile)
        await delivery.take_up(job.job_id)
    assert len([task for task in delivery.tasks if task.get_name().startswith("deliver")]) == 1
    log = lives.take(worker, job.job_id)
    log.publish(Generated(seed="the sea", text=" was calm", temperature=0.5, random_seed=1, seconds=0.1))
    await live.until(lambda: not delivery.in_background, "the end of it")
    await live.handled()
    assert sum("was calm" in text_of(message) for message in live.world.messages[LAB].values()) == 1


async def test_what_cannot_be_awaited_is_not_kept_for_ever(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    delivery = live.bot.delivery

    async def broken(*_: Any) -> Any:
        raise ValueError

    monkeypatch.setattr(live.bot.jobs, "events", broken)
    delivery.deliver_later(generate_job())
    await live.until(lambda: not delivery.in_background, "the end of it")
    assert not live.bot.jobs._news.keys() - {""}
    assert not delivery._to_note


async def test_what_is_put_off_while_the_bot_stops_is_left_to_the_next_start(live: Live) -> None:
    job = generate_job(place=place(guild_id=GUILD_ID, channel_id=LAB, user_id=USER_IDS["ada"]))
    await live.bot.jobs.submit(job)
    await live.bot.delivery.stop()
    live.bot.delivery.deliver_later(job)
    assert not live.bot.delivery.tasks
    assert not live.bot.delivery.in_background
    assert await live.bot.jobs.undelivered() == {job.job_id}
