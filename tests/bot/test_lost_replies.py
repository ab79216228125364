"""Redis goes away in the middle of a submission: the job is there once and sent, or it is not there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import redis
import redis.asyncio

from bot.jobs import client as queue_module
from bot.jobs.client import JobClient
from shared import keys
from shared.connect import connect_async
from shared.jobs import GENERATE_QUEUE, TRAIN_QUEUE, Job
from shared.settings import Settings
from tests.bot.lossy import LossyRedis
from tests.factories import generate_job, train_job

ENTERED = "return 'entered'"
"""In the script that enters a job."""
UNDONE = "return 'undone'"


@pytest.fixture
def lossy(
    redis_url: str, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[LossyRedis]:
    monkeypatch.setattr(queue_module, "_TRY_AGAIN_S", 0.01)
    proxy = LossyRedis(redis_url.removeprefix("unix://"), Path(tmp_path_factory.mktemp("r")) / "s")
    yield proxy
    proxy.close()


@pytest.fixture
async def far(lossy: LossyRedis) -> AsyncIterator[redis.asyncio.Redis]:
    client = connect_async(Settings(redis_url=lossy.url))  # type: ignore[arg-type]
    yield client
    await client.aclose()


@pytest.fixture
def queue(settings: Settings, far: redis.asyncio.Redis) -> JobClient:
    return JobClient(settings, far)


async def submit(queue: JobClient, job: Job) -> str:
    if job.kind == "train":
        return await queue.submit_train(job, "text", (3, 20))
    return "entered" if await queue.submit(job) else "known"


async def assert_gone(queue: JobClient, sync: redis.Redis, job: Job) -> None:
    """Nothing is left of a job once what was begun is done."""
    await asyncio.gather(*queue.tasks)
    assert not sync.exists(keys.job(job.job_id))
    assert not sync.exists(keys.job_events(job.job_id))
    assert sync.smembers(keys.OUTBOX) == set()
    assert sync.hgetall(keys.ACTIVE) == {}


BOTH = pytest.mark.parametrize(("job", "line"), [(generate_job(), GENERATE_QUEUE), (train_job(), TRAIN_QUEUE)])


@BOTH
async def test_a_lost_reply_loses_no_job(
    queue: JobClient, lossy: LossyRedis, sync: redis.Redis, job: Job, line: str
) -> None:
    lossy.lose_reply(ENTERED)
    assert await submit(queue, job) == "entered"
    assert await submit(queue, job) == "known"
    assert sync.llen(line) == (line == GENERATE_QUEUE), "a training waits for a worker that is free"
    assert await queue.undelivered() == {job.job_id}


async def test_what_may_have_been_entered_is_taken_back(queue: JobClient, lossy: LossyRedis, sync: redis.Redis) -> None:
    job = generate_job()
    lossy.lose_reply(ENTERED, times=2)  # once more than it is tried
    lossy.lose_request(UNDONE, times=3)
    with pytest.raises(redis.ConnectionError):
        await submit(queue, job)
    await assert_gone(queue, sync, job)
    assert sync.llen(GENERATE_QUEUE) == 0
    assert await submit(queue, job) == "entered"


async def test_taking_back_spares_what_another_call_entered(
    queue: JobClient, lossy: LossyRedis, sync: redis.Redis
) -> None:
    assert await submit(queue, generate_job()) == "entered"
    lossy.lose_reply(ENTERED, times=2)
    with pytest.raises(redis.ConnectionError):
        await submit(queue, generate_job())
    await asyncio.gather(*queue.tasks)
    assert await queue.load("g-1") is not None
