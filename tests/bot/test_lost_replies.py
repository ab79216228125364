"""Redis goes away in the middle of a submission: the job is there once and sent, or it is not there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import redis
import redis.asyncio
from kombu.exceptions import OperationalError

from bot.jobs import queue as queue_module
from bot.jobs.queue import JobQueue
from shared import keys, turns
from shared.connect import connect, connect_async
from shared.jobs import GENERATE_QUEUE, TRAIN_QUEUE, DeleteJob, Job
from shared.settings import Settings
from tests.bot.lossy import LossyRedis
from tests.factories import CHANNEL, generate_job, place, train_job
from worker.jobs.joblog import run_script

ENTERED = "return 'entered'"
"""In both scripts that enter a job."""
UNDONE = "return 'undone'"


@pytest.fixture
def lossy(redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LossyRedis]:
    proxy = LossyRedis(redis_url.removeprefix("unix://"), Path(tmp_path_factory.mktemp("r")) / "s")
    yield proxy
    proxy.close()


@pytest.fixture
def worker(settings: Settings) -> redis.Redis:
    """Not by the proxy."""
    return connect(settings)


@pytest.fixture
async def far(lossy: LossyRedis) -> AsyncIterator[redis.asyncio.Redis]:
    client = connect_async(Settings(redis_url=lossy.url))  # type: ignore[arg-type]
    yield client
    await client.aclose()


@pytest.fixture
def queue(settings: Settings, far: redis.asyncio.Redis) -> JobQueue:
    return JobQueue(settings, far)


@pytest.fixture
def mute(tmp_path: Path, far: redis.asyncio.Redis) -> JobQueue:
    """One that cannot reach Celery's broker."""
    return JobQueue(Settings(redis_url=f"unix://{tmp_path}/nobody"), far)  # type: ignore[arg-type]


async def submit(queue: JobQueue, job: Job) -> str:
    if job.kind == "train":
        return await queue.submit_train(job, "text", (CHANNEL, 5), (3, 20))
    return "entered" if await queue.submit(job) else "known"


async def assert_gone(queue: JobQueue, worker: redis.Redis, job: Job) -> None:
    """Nothing is left of a job once what was begun is done."""
    await asyncio.gather(*queue._retracting)
    assert not worker.exists(keys.job(job.job_id))
    assert not worker.exists(keys.job_events(job.job_id))
    assert worker.smembers(keys.UNDELIVERED) == set()
    assert worker.hgetall(keys.ACTIVE) == {}
    assert worker.zcard(keys.WAITING) == 0


BOTH = pytest.mark.parametrize(("job", "line"), [(generate_job(), GENERATE_QUEUE), (train_job(), TRAIN_QUEUE)])


@BOTH
async def test_a_lost_reply_loses_no_job(
    queue: JobQueue, lossy: LossyRedis, worker: redis.Redis, job: Job, line: str
) -> None:
    lossy.lose_reply(ENTERED)
    assert await submit(queue, job) == "entered"
    assert worker.llen(line) == 1
    assert await submit(queue, job) == "known"
    assert worker.llen(line) == 1
    assert await queue.undelivered() == [job.job_id]


@BOTH
async def test_what_may_have_been_entered_is_taken_back(
    queue: JobQueue,
    lossy: LossyRedis,
    worker: redis.Redis,
    job: Job,
    line: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(queue_module, "_TRY_AGAIN_S", 0.01)
    lossy.lose_reply(ENTERED, times=2)  # once more than it is tried
    lossy.lose_request(UNDONE, times=3)
    with pytest.raises(redis.ConnectionError):
        await submit(queue, job)
    await assert_gone(queue, worker, job)
    assert worker.llen(line) == 0
    assert await submit(queue, job) == "entered"


async def test_taking_back_spares_what_another_call_entered(
    queue: JobQueue, lossy: LossyRedis, worker: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue_module, "_TRY_AGAIN_S", 0.01)
    assert await submit(queue, train_job()) == "entered"
    lossy.lose_reply(ENTERED, times=2)
    with pytest.raises(redis.ConnectionError):
        await submit(queue, train_job())
    await asyncio.gather(*queue._retracting)
    assert worker.zrange(keys.WAITING, 0, -1) == [b"t-1"]
    assert await queue.load("t-1") is not None


@BOTH
async def test_without_celery_nothing_is_left(mute: JobQueue, worker: redis.Redis, job: Job, line: str) -> None:
    with pytest.raises(OperationalError):
        await submit(mute, job)
    assert not mute._retracting  # done before the person hears of it
    await assert_gone(mute, worker, job)
    assert worker.llen(line) == 0


@BOTH
async def test_without_celery_and_then_without_redis_nothing_is_left(
    mute: JobQueue, lossy: LossyRedis, worker: redis.Redis, job: Job, line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue_module, "_TRY_AGAIN_S", 0.01)
    lossy.lose_request(UNDONE, times=6)
    with pytest.raises(OperationalError):
        await submit(mute, job)
    await assert_gone(mute, worker, job)
    assert worker.llen(line) == 0


async def test_a_training_that_anothers_token_has_claimed_is_entered(
    mute: JobQueue, worker: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = mute._message

    async def late(*arguments: object) -> None:
        run_script(worker, turns.claim("another"))
        await message(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(mute, "_message", late)
    assert await submit(mute, train_job()) == "entered"
    assert await mute.load("t-1") is not None
    assert await mute.control("t-1") is None


async def test_a_claimed_training_that_is_taken_back_is_cancelled_unseen(queue: JobQueue, worker: redis.Redis) -> None:
    await submit(queue, train_job())
    run_script(worker, turns.claim("t-1"))
    await queue.retract("t-1")
    assert await queue.control("t-1") == "cancel"
    assert await queue.undelivered() == []


async def test_nobody_waits_for_a_deletion(queue: JobQueue, worker: redis.Redis) -> None:
    job = DeleteJob(job_id="d-1", place=place(), model_id="m1")
    assert await submit(queue, job) == "entered"
    assert worker.llen(GENERATE_QUEUE) == 1
    assert await queue.undelivered() == []


async def test_what_is_entered_until_it_succeeds_is_never_taken_back(
    queue: JobQueue, lossy: LossyRedis, worker: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a reading does that took hours."""
    monkeypatch.setattr(queue_module, "_TRY_AGAIN_S", 0.01)
    lossy.lose_reply(ENTERED, times=2)
    with pytest.raises(redis.ConnectionError):
        await queue.submit_train(train_job(), "text", (CHANNEL, 5), (3, 20), entry="the-reading")
    assert worker.llen(TRAIN_QUEUE) == 0
    assert await queue.submit_train(train_job(), "text", (CHANNEL, 5), (3, 20), entry="the-reading") == "entered"
    assert not queue._retracting
    assert worker.zrange(keys.WAITING, 0, -1) == [b"t-1"]
    assert worker.llen(TRAIN_QUEUE) == 1


async def test_it_stays_also_without_celery_for_the_next_call(
    queue: JobQueue, mute: JobQueue, worker: redis.Redis
) -> None:
    with pytest.raises(OperationalError):
        await mute.submit_train(train_job(), "text", (CHANNEL, 5), (3, 20), entry="the-reading")
    assert worker.zrange(keys.WAITING, 0, -1) == [b"t-1"]
    assert await queue.submit_train(train_job(), "text", (CHANNEL, 5), (3, 20), entry="the-reading") == "entered"
    assert worker.llen(TRAIN_QUEUE) == 1
