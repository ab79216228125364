"""What waits in Celery's queue and when it begins, and what is sent again, against a real Redis."""

import time
from dataclasses import replace
from typing import Any, cast
from unittest.mock import Mock

import pytest
import redis
import redis.asyncio
from celery import Celery
from hypothesis import given, strategies as st
from kombu.exceptions import OperationalError

from bot.jobs.client import JobClient
from bot.jobs.recovery import Recovery
from bot.jobs.snapshot import Snapshots
from bot.jobs.sweep import (
    BREAK_S,
    GONE_S,
    LAPSED_S,
    LOST_S,
    LOST_TEXT_S,
    MOST_ATTEMPTS,
    RENEWED_S,
    Memory,
    SeenJob,
    sweep,
)
from galvanic.options import TrainOptions
from shared import keys, lifecycle
from shared.events import Failed, Started
from shared.jobs import GENERATE_QUEUE, TRAIN_QUEUE
from shared.lifecycle import LEASE_S
from shared.queues import ids_in_order, lists_of, message_id
from shared.settings import Settings
from tests import lives
from tests.factories import CHANNEL, GUILD, corpus, generate_job, place, progress, train_job
from worker.events import JobEvents, Superseded


@pytest.fixture
def recovery(client: redis.asyncio.Redis, queue: JobClient) -> Recovery:
    return Recovery(client, queue)


async def enter(queue: JobClient, *numbers: int, guild_id: int = GUILD) -> None:
    for number in numbers:
        job = train_job(job_id=f"t-{number}", place=place(guild_id=guild_id))
        assert await queue.submit_train(job, "text")


def lists(sync: redis.Redis, name: str) -> list[list[bytes]]:
    """The messages in the lists of a queue."""
    return [cast(list[bytes], sync.lrange(key, 0, -1)) for key in lists_of(name)]


def queued(sync: redis.Redis, name: str = TRAIN_QUEUE) -> list[str]:
    return ids_in_order(lists(sync, name))


def state(sync: redis.Redis, job_id: str) -> str:
    return cast(bytes, sync.hget(keys.job(job_id), "state")).decode()


async def look_for(recovery: Recovery, seconds: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Look every two seconds of a clock that is ahead."""
    now = time.monotonic()
    for step in range(0, int(seconds) + 1, 2):
        monkeypatch.setattr(time, "monotonic", lambda ahead=step: now + ahead)
        await recovery.look()
    monkeypatch.undo()


async def test_servers_take_turns_in_celerys_queue(queue: JobClient, sync: redis.Redis) -> None:
    await enter(queue, 1, 2, 3)
    await enter(queue, 4, guild_id=GUILD + 1)
    assert queued(sync) == ["t-1-1", "t-4-1", "t-2-1", "t-3-1"]
    attempt, nonce = lives.send(sync, "t-3")
    lives.run(sync, lifecycle.begin("t-3", attempt, nonce, holder="h", worker="w", training=True))
    await queue.send_again("t-3", attempt, nonce, "died")
    assert queued(sync)[0] == "t-3-2", "what was begun goes on first"


async def test_a_cancelled_training_leaves_the_queue(queue: JobClient, sync: redis.Redis) -> None:
    await enter(queue, 1, 11)
    assert await queue.cancel("t-1") == "cancelled"
    assert queued(sync) == ["t-11-1"]


async def test_a_training_that_celery_does_not_take_waits_and_is_sent_again(
    recovery: Recovery, queue: JobClient, sync: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as away:
        away.setattr(Celery, "send_task", Mock(side_effect=OperationalError))
        await enter(queue, 1)
    assert (state(sync, "t-1"), queued(sync)) == ("waiting", [])
    await look_for(recovery, LOST_S + 4, monkeypatch)
    assert queued(sync) == ["t-1-2"]


async def test_only_public_titles_are_shown_to_celerys_tools(queue: JobClient, sync: redis.Redis) -> None:
    public, own = corpus(source="catalogue", title="Frankenstein"), corpus(source="upload", title="my diary")
    for number, text in enumerate((public, own), 1):
        job = train_job(job_id=f"t-{number}", corpus=text, place=place(guild_id=number))
        assert await queue.submit_train(job, "words of it")
    sent = b"".join(message for messages in lists(sync, TRAIN_QUEUE) for message in messages)
    assert b"train for server 1: Frankenstein" in sent
    assert b"train for server 2" in sent
    assert b"diary" not in sent
    assert b"words" not in sent


async def test_a_lost_message_is_sent_again_under_the_next_number(
    recovery: Recovery, queue: JobClient, sync: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    await enter(queue, 1, 2)
    lost = lives.message(sync, "t-2")
    message: Any = sync.rpop(lists_of(TRAIN_QUEUE)[2])
    await look_for(recovery, LOST_S - 4, monkeypatch)
    assert queued(sync) == ["t-1-1"]
    await look_for(recovery, LOST_S + 4, monkeypatch)
    assert queued(sync) == ["t-2-2", "t-1-1"]
    sync.lpush(TRAIN_QUEUE, message)
    begin = lifecycle.begin(*lost, holder="h", worker="w", training=True)
    assert lives.run(sync, begin) is None, "should it turn up after all"


async def test_a_training_whose_worker_was_killed_is_sent_again(
    recovery: Recovery, queue: JobClient, sync: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    await enter(queue, 1)
    sync.zadd(keys.workers(TRAIN_QUEUE), {"w": time.time() + 600})
    lives.take(sync, "t-1", "w")
    sync.delete(TRAIN_QUEUE, *lists_of(TRAIN_QUEUE))
    await look_for(recovery, 30, monkeypatch)
    assert state(sync, "t-1") == "begun"
    sync.zrem(keys.workers(TRAIN_QUEUE), "w")
    await look_for(recovery, 20, monkeypatch)
    assert state(sync, "t-1") == "begun", "its lease was renewed a moment ago"
    sync.expire(keys.job_lease("t-1"), 30)
    await look_for(recovery, 20, monkeypatch)
    assert (state(sync, "t-1"), queued(sync)) == ("waiting", ["t-1-2"])
    assert lives.take(sync, "t-1").deaths() == 1


async def test_one_that_is_to_be_cancelled_and_is_nobodys_is_over(
    recovery: Recovery, queue: JobClient, sync: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    await enter(queue, 1)
    lives.take(sync, "t-1")
    assert await queue.cancel("t-1") == "asked"
    sync.expire(keys.job_lease("t-1"), 30)
    await look_for(recovery, 20, monkeypatch)
    assert state(sync, "t-1") == "over"


async def test_a_text_whose_worker_was_killed_is_sent_again(
    recovery: Recovery, queue: JobClient, sync: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    await queue.submit(generate_job())
    lives.take(sync, "g-1", "w")
    sync.delete(GENERATE_QUEUE)
    await look_for(recovery, 20, monkeypatch)
    assert queued(sync, GENERATE_QUEUE) == ["g-1-2"]


async def test_a_training_whose_record_is_gone_counts_no_longer(
    recovery: Recovery, queue: JobClient, sync: redis.Redis
) -> None:
    """It expires a month after the last word about it; and whoever has the workers' password may write anything."""
    await enter(queue, 1)
    sync.delete(keys.job("t-1"))
    sync.hset(keys.ACTIVE, mapping={"t-9": "abc"})
    await recovery.look()
    assert sync.hgetall(keys.ACTIVE) == {}


async def test_a_training_that_has_begun_is_sent_again_with_a_text_without_the_withdrawn_words(
    queue: JobClient, sync: redis.Redis
) -> None:
    await enter(queue, 1, 2)
    old = lives.take(sync, "t-1")
    for number in (1, 2):
        job = train_job(job_id=f"t-{number}", corpus=corpus(sha256="new"))
        assert await queue.replace_text(job, b"new", b"1111") == ("begun" if number == 1 else "waiting")
        assert sync.mget(keys.job_text(job.job_id), keys.job_authors(job.job_id)) == [b"new", b"1111"]
    assert queued(sync)[0] == "t-1-2"
    with pytest.raises(Superseded):
        old.publish(Failed(problem="p"))
    lives.end(sync, "t-1", Failed(problem="p"))
    assert await queue.replace_text(train_job(), b"newer", b"2222") == "over"
    assert not sync.exists(keys.job_text("t-1"), keys.job_authors("t-1"))


async def enter_with_card(queue: JobClient, number: int, **where: int) -> None:
    job = train_job(job_id=f"t-{number}", place=place(**where), options=TrainOptions(minutes=4))
    assert await queue.submit_train(job, "text")
    await queue.set_card(job.job_id, (CHANNEL, number))


def there(sync: redis.Redis, *names: str) -> None:
    """Workers that say they are there."""
    for name in names:
        sync.zadd(keys.workers(TRAIN_QUEUE), {name: time.time() + 60})
        sync.hset(keys.worker_info(TRAIN_QUEUE), name, f"the machine of {name}")


def begun(sync: redis.Redis, job_id: str) -> JobEvents:
    log = lives.take(sync, job_id)
    log.publish(Started(worker="w"))
    return log


async def test_without_trainings_there_is_nothing(
    client: redis.asyncio.Redis, sync: redis.Redis, settings: Settings
) -> None:
    there(sync, "w1")
    sync.zadd(keys.workers(TRAIN_QUEUE), {b"\xff, as no worker is called": time.time() + 60})
    snapshot = await Snapshots(client, settings).look()
    assert snapshot.trainings == ()


async def test_those_that_run_come_first_and_the_others_begin_after_them(
    client: redis.asyncio.Redis, sync: redis.Redis, queue: JobClient, settings: Settings
) -> None:
    there(sync, "w1")
    for number in (1, 2, 3):
        await enter_with_card(queue, number)
    await enter_with_card(queue, 4, guild_id=GUILD + 1)
    begun(sync, "t-1").publish(progress(eta_s=100))
    snapshot = await Snapshots(client, settings).look()
    assert [one.job.job_id for one in snapshot.trainings] == ["t-1", "t-4", "t-2", "t-3"]
    assert [one.place for one in snapshot.trainings] == [None, 0, 1, 2]
    assert [one.card for one in snapshot.trainings] == [(CHANNEL, number) for number in (1, 4, 2, 3)]
    begins = [one.begins.seconds if one.begins else None for one in snapshot.trainings]
    assert begins[0] is None
    assert begins[1:] == pytest.approx([160, 460, 760], abs=5)
    assert [one.begins.sure for one in snapshot.trainings if one.begins] == [False, False, False]
    assert snapshot.waiting == 3


async def test_without_a_worker_nobody_can_say_when(
    client: redis.asyncio.Redis, queue: JobClient, settings: Settings
) -> None:
    await enter_with_card(queue, 1)
    snapshot = await Snapshots(client, settings).look()
    assert [(one.begins, one.ends) for one in snapshot.trainings] == [(None, None)]


# ---------------------------------------------------------------------- jobs that lost their worker or message

BEGUN = SeenJob("t-1", True, "begun", 1, "n", "w", LEASE_S - RENEWED_S)
WAITING = SeenJob("t-1", True, "waiting", 1, "n", "", 0.0)


def watched(
    job: SeenJob, seconds: float, *, workers: tuple[str, ...] = (), queued: bool = False, step: float = 2.0
) -> list[tuple[float, str]]:
    """Look every `step` seconds; when each loss is seen first, and how."""
    memory, losses, at = Memory(), dict[str, float](), 0.0
    ids = {message_id(job.job_id, job.attempt)} if queued else set()
    while at <= seconds:
        found, memory = sweep(at, [job], {*workers, *ids}, memory)
        for _, how in found:
            losses.setdefault(how, at)
        at += step
    return [(when, how) for how, when in losses.items()]


def test_what_has_all_that_it_needs_is_left_alone() -> None:
    assert watched(BEGUN, 600, workers=("w",)) == []
    assert watched(WAITING, 600, queued=True) == []
    assert watched(replace(BEGUN, state="reading", lease_s=0.0), 600) == []


@pytest.mark.parametrize(
    ("job", "workers", "how", "after_s"),
    [
        (BEGUN, ("other",), "died", GONE_S),
        (replace(BEGUN, lease_s=0.0), ("w",), "lapsed", LAPSED_S),
        (WAITING, (), "lost", LOST_S),
        (replace(WAITING, job_id="g-1", training=False), (), "lost", LOST_TEXT_S),
        (replace(WAITING, state=""), (), "gone", 0),
    ],
)
def test_what_misses_something_is_lost_after_a_while(
    job: SeenJob, workers: tuple[str, ...], how: str, after_s: float
) -> None:
    (first,) = watched(job, after_s + 6, workers=workers)[:1]
    assert first[1] == how
    assert after_s <= first[0] <= after_s + 4


def test_a_training_whose_lease_is_renewed_has_a_worker_whatever_the_clocks_say() -> None:
    assert watched(replace(BEGUN, lease_s=LEASE_S - RENEWED_S + 1), 600) == []


def test_a_lease_that_lapsed_while_a_machine_slept_may_be_renewed() -> None:
    memory, losses = Memory(), set[str]()
    for at, lease_s in [*((2.0 * look, 50.0) for look in range(60)), (120.0, 0.0), (128.0, 0.0), (130.0, 60.0)]:
        found, memory = sweep(at, [replace(BEGUN, lease_s=lease_s)], {"w"}, memory)
        losses.update(how for _, how in found)
    assert not losses


def test_time_does_not_count_while_nobody_looks() -> None:
    assert watched(BEGUN, 600, step=BREAK_S + 1) == [], "its worker could not say that it is there"
    assert watched(WAITING, 600, step=BREAK_S + 1) == []


def test_a_text_is_tried_a_few_times() -> None:
    text = replace(BEGUN, job_id="g-1", training=False, lease_s=0.0)
    assert [how for _, how in watched(text, 60)] == ["died"]
    assert watched(replace(text, attempt=MOST_ATTEMPTS), 60) == []
    assert watched(replace(text, state=""), 60) == [], "it is over"


JOBS = st.builds(
    SeenJob,
    job_id=st.sampled_from(["t-1", "t-2", "g-1"]),
    training=st.booleans(),
    state=st.sampled_from(["", "reading", "waiting", "begun"]),
    attempt=st.integers(1, 4),
    nonce=st.just("n"),
    worker=st.sampled_from(["", "a", "b"]),
    lease_s=st.floats(0, LEASE_S),
)
LOOKS = st.lists(
    st.tuples(
        st.floats(0.1, 30),
        st.lists(JOBS, max_size=3, unique_by=lambda job: job.job_id),
        st.sets(st.sampled_from(["a", "b"])),
        st.sets(st.sampled_from([f"{job_id}-{attempt}" for job_id in ("t-1", "t-2", "g-1") for attempt in (1, 2)])),
    ),
    max_size=40,
)


@given(LOOKS)
def test_nothing_is_lost_that_was_there_a_moment_ago(
    looks: list[tuple[float, list[SeenJob], set[str], set[str]]],
) -> None:
    memory, at = Memory(), 0.0
    last_there: dict[str, float] = {}
    for seconds, jobs, workers, queued in looks:
        at += seconds
        for name in (*workers, *queued):
            last_there[name] = at
        losses, memory = sweep(at, jobs, workers | queued, memory)
        for job, how in losses:
            if how == "lost":
                assert at - last_there.get(message_id(job.job_id, job.attempt), -1e9) >= (
                    LOST_S if job.training else LOST_TEXT_S
                )
            if how == "died":
                assert at - last_there.get(job.worker, -1e9) >= GONE_S
            if how in ("lost", "died", "lapsed"):
                assert seconds <= BREAK_S, "there was a break"
        assert len({job.job_id for job, _ in losses}) == len(losses)
