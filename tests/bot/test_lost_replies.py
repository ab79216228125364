"""Redis goes away in the middle of a submission: the job is there once and sent, or it is not there."""

import asyncio
from typing import Any

import pytest
import redis
from redis.asyncio.connection import AbstractConnection

from bot.jobs import client as queue_module
from bot.jobs.client import JobClient
from shared import keys
from shared.jobs import GENERATE_QUEUE, TRAIN_QUEUE, Job
from tests.factories import generate_job, train_job

ENTERED = "return 'entered'"
"""In the script that enters a job."""
GIVEN_UP = "return 'given up'"


class Lossy:
    """The bot's connections to Redis, which break when a test says so."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self._lost: list[tuple[bytes, bool]] = []
        send = AbstractConnection.send_packed_command

        async def sending(connection: AbstractConnection, command: Any, check_health: bool = True) -> None:
            sent = command if isinstance(command, bytes) else b"".join(command)
            found = next((one for one in self._lost if one[0] in sent), None)
            if found is None or found[1]:
                await send(connection, command, check_health)
            if found is not None:
                self._lost.remove(found)
                if found[1]:
                    await connection.read_response()
                await connection.disconnect()
                raise redis.ConnectionError("lost")

        patch.setattr(AbstractConnection, "send_packed_command", sending)

    def lose_reply(self, words: str, times: int = 1) -> None:
        """Let the next request that has these words be carried out, and its reply get lost."""
        self._lost += [(words.encode(), True)] * times

    def lose_request(self, words: str, times: int = 1) -> None:
        """Let the next request that has these words get lost."""
        self._lost += [(words.encode(), False)] * times


@pytest.fixture
def lossy(monkeypatch: pytest.MonkeyPatch) -> Lossy:
    monkeypatch.setattr(queue_module, "_TRY_AGAIN_S", 0.01)
    return Lossy(monkeypatch)


async def submit(queue: JobClient, job: Job) -> str:
    if job.kind == "train":
        return await queue.submit_train(job, "text", (3, 20))
    return "entered" if await queue.submit(job) else "known"


async def assert_over(queue: JobClient, sync: redis.Redis, job: Job) -> None:
    """A job is over, and nobody is to be shown that, once what was begun is done."""
    await asyncio.gather(*queue.tasks)
    assert sync.hget(keys.job(job.job_id), "state") == b"over"
    assert sync.smembers(keys.OUTBOX) == set()
    assert sync.hgetall(keys.ACTIVE) == {}


BOTH = pytest.mark.parametrize(("job", "line"), [(generate_job(), GENERATE_QUEUE), (train_job(), TRAIN_QUEUE)])


@BOTH
async def test_a_lost_reply_loses_no_job(
    queue: JobClient, lossy: Lossy, sync: redis.Redis, job: Job, line: str
) -> None:
    lossy.lose_reply(ENTERED)
    assert await submit(queue, job) == "entered"
    assert await submit(queue, job) == "known"
    assert sync.llen(line) == (line == GENERATE_QUEUE), "a training waits for a worker that is free"
    assert await queue.undelivered() == {job.job_id}


async def test_what_may_have_been_entered_is_taken_back(queue: JobClient, lossy: Lossy, sync: redis.Redis) -> None:
    job = generate_job()
    lossy.lose_reply(ENTERED, times=2)  # once more than it is tried
    lossy.lose_request(GIVEN_UP, times=3)
    with pytest.raises(redis.ConnectionError):
        await submit(queue, job)
    await assert_over(queue, sync, job)
    assert sync.llen(GENERATE_QUEUE) == 0


async def test_taking_back_spares_what_another_call_entered(queue: JobClient, lossy: Lossy, sync: redis.Redis) -> None:
    assert await submit(queue, generate_job()) == "entered"
    lossy.lose_reply(ENTERED, times=2)
    with pytest.raises(redis.ConnectionError):
        await submit(queue, generate_job())
    await asyncio.gather(*queue.tasks)
    assert await queue.load("g-1") is not None
