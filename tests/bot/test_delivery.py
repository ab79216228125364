"""An answer is posted once, by whoever asked for it, though the bot just starts or its worker is gone."""

import asyncio
from typing import Any
from unittest.mock import AsyncMock

import pytest

from bot.jobs import sweep
from playground.places import BOT_ID, GUILD_ID
from shared import keys
from shared.events import Failed, Generated, Imported, Pictured
from shared.jobs import GENERATE_QUEUE, Job
from tests import lives
from tests.bot.ids import LAB
from tests.bot.live import Live, text_of
from tests.bot.stand_in import TEXT, StandIn, lab
from tests.factories import generate_job, record, train_job
from worker.events import Superseded

pytestmark = pytest.mark.usefixtures("worker")


async def test_an_answer_is_posted_once_though_the_bot_only_just_starts(live: Live, worker: StandIn) -> None:
    bot = live.bot
    job = generate_job(place=lab())
    send = bot.core.jobs._send

    async def slowly(*arguments: Any) -> None:
        await live.start_again()  # the job is entered, and nobody listens yet
        await send(*arguments)

    live.patch.setattr(bot.core.jobs, "_send", slowly)
    channel = bot.get_channel(LAB)
    asked = asyncio.create_task(bot.core.delivery.ask(job, channel.send))  # type: ignore[union-attr]
    await live.until(lambda: worker.redis.llen(GENERATE_QUEUE), "the job")
    await bot.core.delivery.ask(job, channel.send)  # type: ignore[union-attr]  # Discord delivered it twice
    worker.write(job.job_id)
    await asked
    await live.handled()
    assert sum(TEXT in text_of(message) for message in live.world.messages[LAB].values()) == 1
    await live.until(lambda: not worker.redis.smembers(keys.OUTBOX), "a note that it is delivered")


async def test_what_took_too_long_does_not_come_about_after_all(live: Live, worker: StandIn) -> None:
    delivery = live.core.delivery
    job = generate_job(place=lab())
    await live.core.jobs.submit(job)
    log = lives.take(worker.redis, job.job_id)
    assert isinstance(await delivery.end_of(job, 0.05), Failed)
    with pytest.raises(Superseded):
        log.enter(Imported(model=record(model_id="m9", guild_id=GUILD_ID)), GUILD_ID)
    assert not worker.redis.exists(keys.model("m9"))
    assert log.is_over()


async def test_what_is_put_off_while_the_bot_stops_is_left_to_the_next_start(live: Live) -> None:
    job = generate_job(place=lab())
    await live.core.jobs.submit(job)
    await live.core.delivery.stop()
    live.core.delivery.deliver_later(job)
    assert not live.core.delivery.tasks
    assert not live.core.delivery.in_background
    assert await live.core.jobs.undelivered() == {job.job_id}


async def test_jobs_of_another_applications_servers_are_left_to_it(live: Live) -> None:
    """As of Discord's, when the playground is started with the same Redis."""
    theirs = lab().model_copy(update={"guild_id": 7, "channel_id": 8})
    await live.bot.redis.hset(keys.APPLICATIONS, "7", str(BOT_ID + 1))
    await live.core.jobs.submit(generate_job(job_id="g-7", place=theirs))
    await live.core.jobs.submit_train(train_job(job_id="t-7", place=theirs), "text")
    for job_id in ("g-7", "t-7"):
        await live.core.delivery.take_up(job_id)
    assert not live.core.delivery.in_background
    assert await live.core.jobs.undelivered() == {"g-7", "t-7"}
    await live.bot.redis.hset(keys.APPLICATIONS, "7", str(BOT_ID))
    await live.core.delivery.take_up("g-7")
    await live.until(lambda: "g-7" in live.core.delivery.in_background, "an answer in a server that it just left")


async def test_a_job_that_nothing_could_show_is_not_sent(live: Live, worker: StandIn) -> None:
    live.core.delivery._presenters.clear()
    with pytest.raises(RuntimeError, match="GenerateJob"):
        await live.core.delivery.ask(generate_job(place=lab()), AsyncMock())
    assert not worker.waiting()


async def test_an_end_of_another_kind_is_not_taken_for_a_slow_worker(live: Live, worker: StandIn) -> None:
    live.send("!generate the sea")
    worker.tell(await worker.asked(live), Pictured())
    await live.until(lambda: live.showing("I can't show"), "the reason")
    assert not live.showing("not done in time")


async def test_what_came_at_the_last_moment_is_the_answer(live: Live, worker: StandIn) -> None:
    delivery = live.core.delivery
    job = generate_job(place=lab())
    await live.core.jobs.submit(job)
    give_up = live.core.jobs.give_up

    async def just_before(job: Job, event: Failed) -> bool:
        worker.write(job.job_id)
        return await give_up(job, event)

    live.patch.setattr(live.core.jobs, "give_up", just_before)
    event = await delivery.end_of(job, 0.05)
    assert event is not None
    assert event.kind == "generated"


async def test_an_answer_that_is_put_off_twice_is_posted_once(live: Live, worker: StandIn) -> None:
    delivery = live.core.delivery
    job = generate_job(place=lab())
    await live.core.jobs.submit(job)
    undelivered = live.core.jobs.undelivered

    async def meanwhile() -> set[str]:
        found = await undelivered()
        delivery.deliver_later(job)  # whoever asked for it could not post it
        return found

    with live.patch.context() as patched:
        patched.setattr(live.core.jobs, "undelivered", meanwhile)
        await delivery.take_up(job.job_id)
    assert len([task for task in delivery.tasks if task.get_name().startswith("deliver")]) == 1
    worker.write(job.job_id)
    await live.until(lambda: not delivery.in_background, "the end of it")
    await live.handled()
    assert sum(TEXT in text_of(message) for message in live.world.messages[LAB].values()) == 1


async def waits_for(live: Live, job_id: str) -> asyncio.Task[Any]:
    job = generate_job(job_id=job_id, place=lab())
    await live.core.jobs.submit(job)
    return asyncio.create_task(live.core.delivery.end_of(job, 60))


async def test_it_is_answered_although_its_first_worker_was_killed(live: Live, worker: StandIn) -> None:
    answer = await waits_for(live, "g-1")
    worker.redis.delete(GENERATE_QUEUE)
    lives.take(worker.redis, "g-1", "the killed one")
    live.patch.setattr(sweep, "GONE_S", 0.1)
    await live.until(lambda: worker.redis.llen(GENERATE_QUEUE), "the job to come again")
    worker.write("g-1")
    assert isinstance(await answer, Generated)


async def test_an_end_that_cannot_be_read_is_an_end(live: Live, worker: StandIn) -> None:
    answer = await waits_for(live, "g-1")
    stream = keys.job_events("g-1")
    worker.redis.xadd(stream, {"event": '{"kind": "hummed"}'}, id="1-1")
    worker.redis.xadd(keys.NOTIFICATIONS, {"job": "g-1"})
    await asyncio.sleep(0.3)
    assert not answer.done(), "what can't be read may be on the way to the end"
    worker.redis.xadd(stream, {"event": '{"kind": "sung"}', "last": "1"}, id="1-2")
    worker.redis.xadd(keys.NOTIFICATIONS, {"job": "g-1"})
    end = await answer
    assert isinstance(end, Failed)
    assert "can't read how" in end.problem
