"""All trainings under way, as they stand in a real Redis."""

from __future__ import annotations

import time

import pytest
import redis
import redis.asyncio

from bot.jobs.client import JobClient
from bot.jobs.snapshot import Snapshots
from galvanic.options import TrainOptions
from shared import keys
from shared.events import Started
from shared.jobs import TRAIN_QUEUE
from shared.settings import Settings
from tests import lives
from tests.factories import CHANNEL, GUILD, place, progress, train_job
from worker.events import JobEvents


async def enter(queue: JobClient, number: int, epochs: int | None = None, **where: int) -> None:
    options = TrainOptions(minutes=4, epochs=epochs)
    job = train_job(job_id=f"t-{number}", place=place(**where), options=options)
    assert await queue.submit_train(job, "text", (100, 100)) == "entered"
    await queue.set_card(job.job_id, (CHANNEL, number))


def there(sync: redis.Redis, *names: str) -> None:
    """Workers that say they are there."""
    for name in names:
        sync.zadd(keys.workers(TRAIN_QUEUE), {name: time.time() + 60})
        sync.hset(keys.worker_info(TRAIN_QUEUE), name, f"the machine of {name}")


def begin(sync: redis.Redis, job_id: str) -> JobEvents:
    log = lives.take(sync, job_id)
    log.publish(Started(worker="w"))
    return log


async def test_without_trainings_there_is_nothing(
    client: redis.asyncio.Redis, sync: redis.Redis, settings: Settings
) -> None:
    there(sync, "w1")
    snapshot = await Snapshots(client, settings).look()
    assert snapshot.trainings == ()


async def test_those_that_run_come_first_and_the_others_begin_after_them(
    client: redis.asyncio.Redis, sync: redis.Redis, queue: JobClient, settings: Settings
) -> None:
    there(sync, "w1")
    for number in (1, 2, 3):
        await enter(queue, number)
    await enter(queue, 4, guild_id=GUILD + 1)
    begin(sync, "t-1").publish(progress(eta_s=100))
    snapshot = await Snapshots(client, settings).look()
    assert [one.job.job_id for one in snapshot.trainings] == ["t-1", "t-4", "t-2", "t-3"]
    assert [one.place for one in snapshot.trainings] == [None, 0, 1, 2]
    assert [one.card for one in snapshot.trainings] == [(CHANNEL, number) for number in (1, 4, 2, 3)]
    begins = [one.begins.seconds if one.begins else None for one in snapshot.trainings]
    assert begins[0] is None
    assert begins[1:] == pytest.approx([100, 340, 580], abs=5)
    assert [one.begins.sure for one in snapshot.trainings if one.begins] == [False, False, False]
    assert snapshot.waiting == 3


async def test_without_a_worker_nobody_can_say_when(
    client: redis.asyncio.Redis, queue: JobClient, settings: Settings
) -> None:
    await enter(queue, 1)
    snapshot = await Snapshots(client, settings).look()
    assert [(one.begins, one.ends) for one in snapshot.trainings] == [(None, None)]
