"""What is sent when, and brought back when, against a real Redis."""

from __future__ import annotations

import time
from unittest.mock import AsyncMock

import pytest
import redis
import redis.asyncio
from kombu.exceptions import OperationalError

from bot.jobs import dispatcher as dispatching
from bot.jobs.client import JobClient
from bot.jobs.dispatcher import Dispatcher
from shared import keys, lifecycle, presence
from shared.jobs import TRAIN_QUEUE
from shared.metrics import JOBS
from tests import lives
from tests.factories import GUILD, corpus, place, train_job


class Watched(Dispatcher):
    """With the jobs and the workers around it."""

    def __init__(self, client: redis.asyncio.Redis, queue: JobClient, sync: redis.Redis) -> None:
        super().__init__(client, queue)
        self.queue, self.redis = queue, sync

    def says(self, name: str, state: presence.State) -> None:
        """A worker is there, and how."""
        self.redis.zadd(keys.workers(TRAIN_QUEUE), {name: time.time() + 60})
        self.redis.hset(keys.worker_states(TRAIN_QUEUE), name, state)

    async def enter(self, *numbers: int, guild_id: int = GUILD) -> None:
        for number in numbers:
            job = train_job(job_id=f"t-{number}", place=place(guild_id=guild_id))
            assert await self.queue.submit_train(job, "text", (99, 99)) == "entered"

    def states(self, *numbers: int) -> list[str]:
        return [self.redis.hget(keys.job(f"t-{one}"), "state").decode() for one in numbers]  # type: ignore[union-attr]

    def has_watched(self) -> None:
        """As if Redis had been there for all of a lease."""
        self._seen = time.monotonic()
        self._since = self._seen - lifecycle.LEASE_S - 1


@pytest.fixture
def dispatcher(client: redis.asyncio.Redis, queue: JobClient, sync: redis.Redis) -> Watched:
    return Watched(client, queue, sync)


async def test_as_many_are_sent_as_workers_are_free(dispatcher: Watched) -> None:
    await dispatcher.enter(1, 2, 3)
    await dispatcher.enter(4, guild_id=GUILD + 1)
    await dispatcher.look()
    assert dispatcher.redis.llen(TRAIN_QUEUE) == 0
    for name, state in (("a", "free"), ("b", "free"), ("c", "busy"), ("d", "draining")):
        dispatcher.says(name, state)  # type: ignore[arg-type]
    dispatcher.redis.hset(keys.worker_states(TRAIN_QUEUE), "gone", "free")
    for _ in range(3):
        await dispatcher.look()
    assert dispatcher.states(1, 2, 3, 4) == ["sent", "waiting", "waiting", "sent"], "servers take turns"
    assert dispatcher.redis.llen(TRAIN_QUEUE) == 2


async def test_a_worker_that_begins_one_is_not_free_though_it_said_so(dispatcher: Watched) -> None:
    await dispatcher.enter(1, 2)
    dispatcher.says("w", "free")
    await dispatcher.look()
    lives.take(dispatcher.redis, "t-1")
    await dispatcher.look()
    assert dispatcher.states(1, 2) == ["begun", "waiting"]


async def test_what_is_not_begun_in_time_is_sent_again_and_that_is_no_death(dispatcher: Watched) -> None:
    await dispatcher.enter(1)
    dispatcher.says("w", "free")
    await dispatcher.look()
    stale = lives.message(dispatcher.redis, "t-1")
    dispatcher.redis.delete(keys.job_lease("t-1"))
    await dispatcher.look()
    assert dispatcher.redis.llen(TRAIN_QUEUE) == 2
    begin = lifecycle.begin(*stale, holder="h", worker="w", training=True)
    assert lives.run(dispatcher.redis, begin) is None
    assert lives.take(dispatcher.redis, "t-1").deaths() == 0


async def test_a_lease_counts_as_lapsed_when_redis_was_there_for_all_of_it(dispatcher: Watched) -> None:
    await dispatcher.enter(1)
    lives.take(dispatcher.redis, "t-1")
    dispatcher.redis.delete(keys.job_lease("t-1"))
    await dispatcher.look()
    assert dispatcher.states(1) == ["begun"], "Redis may have been away, so that its worker could not renew it"
    dispatcher.has_watched()
    await dispatcher.look()
    assert dispatcher.states(1) == ["waiting"]
    lives.take(dispatcher.redis, "t-1")
    dispatcher.redis.delete(keys.job_lease("t-1"))
    dispatcher._seen -= 2 * dispatching._NO_BREAK_S
    await dispatcher.look()
    assert dispatcher.states(1) == ["begun"], "there was a break"


async def test_a_training_whose_worker_was_killed_waits_again_before_its_lease_has_lapsed(dispatcher: Watched) -> None:
    await dispatcher.enter(1)
    lives.take(dispatcher.redis, "t-1", "w")
    dispatcher.has_watched()
    dispatcher.says("w", "busy")
    await dispatcher.look()
    dispatcher.redis.zrem(keys.workers(TRAIN_QUEUE), "w")
    await dispatcher.look()
    assert dispatcher.states(1) == ["begun"], "its worker may just be late"
    dispatcher._there["w"] -= dispatching._GONE_S + 1
    await dispatcher.look()
    assert dispatcher.states(1) == ["waiting"]
    assert lives.take(dispatcher.redis, "t-1").deaths() == 1


async def test_one_that_is_to_be_cancelled_and_is_nobodys_is_over(dispatcher: Watched) -> None:
    cancelled = JOBS.labels(TRAIN_QUEUE, "cancelled")
    before = cancelled._value.get()
    dispatcher.has_watched()
    await dispatcher.enter(1)
    lives.take(dispatcher.redis, "t-1")
    assert await dispatcher.queue.cancel("t-1") == "asked"
    dispatcher.redis.delete(keys.job_lease("t-1"))
    await dispatcher.look()
    assert dispatcher.states(1) == ["over"]
    assert cancelled._value.get() == before + 1


async def test_what_celery_did_not_take_waits_again(dispatcher: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatcher.queue, "send", AsyncMock(side_effect=OperationalError))
    await dispatcher.enter(1)
    dispatcher.says("w", "free")
    with pytest.raises(OperationalError):
        await dispatcher.look()
    assert dispatcher.states(1) == ["waiting"]


async def test_only_public_titles_are_shown_to_celerys_tools(dispatcher: Watched) -> None:
    public, own = corpus(source="catalogue", title="Frankenstein"), corpus(source="upload", title="my diary")
    for number, text in enumerate((public, own), 1):
        job = train_job(job_id=f"t-{number}", corpus=text, place=place(guild_id=number))
        assert await dispatcher.queue.submit_train(job, "words of it", (9, 9)) == "entered"
        dispatcher.says(f"w{number}", "free")
    await dispatcher.look()
    sent = b"".join(dispatcher.redis.lrange(TRAIN_QUEUE, 0, -1))
    assert b"train for server 1: Frankenstein" in sent
    assert b"train for server 2" in sent
    assert b"diary" not in sent
    assert b"words" not in sent
