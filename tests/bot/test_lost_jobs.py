"""A text that was asked of a worker that is gone is asked of another one; an end that can't be read ends a job."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from bot.jobs import sweep
from shared import keys
from shared.events import Failed, Generated
from shared.jobs import GENERATE_QUEUE
from tests import lives
from tests.bot.live import Live
from tests.bot.stand_in import StandIn, lab
from tests.factories import generate_job


@pytest.fixture
async def worker(live: Live) -> StandIn:
    return StandIn(live.bot.settings)


async def waits_for(live: Live, job_id: str) -> asyncio.Task[Any]:
    job = generate_job(job_id=job_id, place=lab())
    await live.core.jobs.submit(job)
    return asyncio.create_task(live.core.delivery.end_of(job, 60, Failed(problem="slow")))


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
