"""A text that was asked of a worker that is gone is asked of another one; an end that can't be read ends a job."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from structlog.testing import capture_logs

from bot.background import run_forever
from bot.jobs import delivery
from shared import keys
from shared.events import Failed, Generated
from shared.jobs import GENERATE_QUEUE
from tests import lives
from tests.bot.live import Live
from tests.bot.stand_in import TEXT, StandIn, lab
from tests.factories import generate_job, train_job


@pytest.fixture
async def worker(live: Live) -> StandIn:
    return StandIn(live.bot.settings)


async def waits_for(live: Live, job_id: str) -> asyncio.Task[Any]:
    job = generate_job(job_id=job_id, place=lab())
    await live.bot.jobs.submit(job)
    # Only now: what is not sent at two looks is sent again, and a slow machine looks often meanwhile.
    live.bot.dispatcher.spawn(run_forever("texts", live.bot.dispatcher.look_after_texts, every_s=0.1))
    return asyncio.create_task(live.bot.delivery.end_of(job, 60, Failed(problem="slow")))


async def test_it_is_asked_again_when_its_worker_was_killed(live: Live, worker: StandIn) -> None:
    answer = await waits_for(live, "g-1")
    worker.redis.delete(GENERATE_QUEUE)
    lives.take(worker.redis, "g-1", "the killed one")
    await live.until(lambda: worker.redis.llen(GENERATE_QUEUE), "the job to come again")
    worker.write("g-1")
    assert isinstance(await answer, Generated)


async def test_it_is_not_asked_again_for_ever(live: Live, worker: StandIn) -> None:
    answer = await waits_for(live, "g-1")
    for _ in range(2):
        worker.redis.delete(GENERATE_QUEUE)
        await live.until(lambda: worker.redis.llen(GENERATE_QUEUE), "the job to come again")
    worker.redis.delete(GENERATE_QUEUE)
    await asyncio.sleep(0.5)
    assert not worker.redis.llen(GENERATE_QUEUE)
    worker.write("g-1")
    assert isinstance(await answer, Generated)


@pytest.mark.parametrize("where", ["in the queue", "with its worker", "no worker"])
async def test_it_is_not_asked_again_while_it_is_somewhere(where: str, live: Live, worker: StandIn) -> None:
    answer = await waits_for(live, "g-1")
    if where != "in the queue":
        worker.redis.delete(GENERATE_QUEUE)
    if where == "with its worker":
        lives.take(worker.redis, "g-1", "w")
    if where == "no worker":
        worker.redis.zadd(keys.workers(GENERATE_QUEUE), {"w": time.time() - 1})
    await asyncio.sleep(0.5)
    assert worker.redis.llen(GENERATE_QUEUE) == (where == "in the queue")
    worker.write("g-1")
    assert TEXT in (await answer).text


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


async def test_what_a_bot_entered_that_had_lost_the_lead_is_taken_up(live: Live, worker: StandIn) -> None:
    live.patch.setattr(delivery, "_LOOK_AGAIN_S", 0.1)
    worker.add_model()
    await live.follow(train_job(place=lab()))
    worker.redis.set(keys.asked("t-9"), "{")
    worker.redis.sadd(keys.OUTBOX, "t-9")
    for job_id in ("g-others", "g-own"):
        await live.bot.jobs.submit(generate_job(job_id=job_id, place=lab()))
        worker.write(job_id)
    with live.bot.delivery.reserved("g-own"), capture_logs() as logs:
        live.bot.delivery.spawn(run_forever("look", live.bot.delivery.look, every_s=0.1))
        await live.until(lambda: live.showing(TEXT), "the answer")
        await live.until(lambda: worker.waiting() == {"g-own", "t-1"}, "the answer to be noted")
        await asyncio.sleep(0.5)  # several looks
    assert len(live.shown(TEXT)) == 1
    assert worker.waiting() == {"g-own", "t-1"}
    assert len(live.shown("job t-1")) == 1
    assert len([task for task in live.bot.delivery.tasks if task.get_name() == "deliver t-1"]) == 1
    assert [entry["job_id"] for entry in logs if entry["event"] == "job_not_understood"] == ["t-9"], (
        "a damaged one is dropped"
    )


async def test_what_is_just_being_taken_back_is_not_taken_up(live: Live, worker: StandIn) -> None:
    live.patch.setattr(delivery, "_LOOK_AGAIN_S", 0.5)
    undelivered, looks, taken_back = live.bot.jobs.undelivered, 0, asyncio.Event()

    async def counted() -> set[str]:
        nonlocal looks
        if looks:
            await taken_back.wait()
        found = await undelivered()
        looks += 1
        return found

    live.patch.setattr(live.bot.jobs, "undelivered", counted)
    await live.bot.jobs.submit_train(train_job(place=lab()), "text", (9, 9))
    live.bot.delivery.spawn(run_forever("look", live.bot.delivery.look, every_s=0.1))
    await live.until(lambda: looks, "the first look")
    await live.bot.jobs.roll_back("t-1")
    taken_back.set()
    await live.until(lambda: looks >= 3, "two more")
    assert not live.bot.delivery.in_background
    assert not live.shown("job t-1")
