"""Redis dies or stays away, at each moment: what was told before is still there, and all goes on by itself."""

import contextlib
import time
from typing import cast

import pytest
import redis

from bot.jobs.sweep import LOST_S
from shared import keys
from shared.events import Progress
from shared.jobs import TRAIN_QUEUE
from shared.lifecycle import LEASE_S
from shared.queues import id_of, ids_in_order, lists_of, message_id
from tests.driver.client import text_of
from tests.e2e.acts import TINY, lasting, start_worker
from tests.e2e.system import System
from tests.faults import harm
from tests.faults.cells import record
from tests.faults.moments import Training, caught_saving

AWAY_S = 60.0
"""Longer than the visibility time-out of Celery's messages."""
KILLED = "Redis killed and restarted"
GONE = "Redis gone for 60 s"


def kill_redis(system: System) -> float:
    """Kill Redis and wait until it is back; its manager starts it again. When it was back."""
    harm.kill(harm.redis_server(system))
    system.client.wait_for(lambda: harm.redis_answers(system), 60, "Redis to come back")
    return time.monotonic()


def goes_on(training: Training) -> float:
    """Wait for progress that was made after now; when it was heard."""
    before = len(training.events(Progress))
    training.until("more progress", lambda: len(training.events(Progress)) > before, 60)
    return time.monotonic()


def test_it_is_killed_while_a_training_waits(system: System) -> None:
    with Training(system, "first") as first, Training(system, "second", TINY) as second:
        first.trains()
        since = kill_redis(system)
        until = goes_on(first)
        first.learned()
        second.learned()
        assert len(first.attempts()) == len(second.attempts()) == 1
    record(KILLED, "queued", "both finished, in order", since=since, until=until)


@pytest.mark.parametrize("moment", ["reading text", "training"])
def test_it_is_killed_while_a_worker_has_a_training(moment: str, system: System) -> None:
    with Training(system, "begun") as training:
        if moment == "training":
            training.trains()
        else:
            training.is_read()
        since = kill_redis(system)
        until = goes_on(training)
        training.learned()
        assert moment != "training" or len(training.attempts()) == 1, "the training itself needs no Redis"
    lost_s = 0 if moment == "training" else None
    record(KILLED, moment, "went on, finished", since=since, until=until, lost_s=lost_s)


@pytest.mark.parametrize("fault", [KILLED, GONE])
def test_it_is_away_while_a_model_is_saved(fault: str, system: System) -> None:
    with caught_saving(system, "saves") as training:
        child = harm.child(system)
        if fault == KILLED:
            since = kill_redis(system)
            child.resume()
        else:
            with harm.without_redis(system):
                child.resume()
                time.sleep(AWAY_S)
            since = time.monotonic()
        training.learned()
    record(fault, "saving", "finished", since=since)


def test_it_is_killed_while_the_end_is_posted(system: System) -> None:
    with Training(system, "posts") as training:
        with training.posting():
            since = kill_redis(system)
        training.learned()
    record(KILLED, "posting the result", "one final card", since=since)


def test_it_is_gone_for_a_minute_while_a_training_waits(system: System) -> None:
    with Training(system, "first") as first, Training(system, "second", TINY) as second:
        first.trains()
        with harm.without_redis(system):
            time.sleep(AWAY_S)
        since = time.monotonic()
        first.learned()
        until = time.monotonic()
        second.learned()
        assert len(second.attempts()) == 1
    record(GONE, "queued", "both finished, in order", since=since, until=until)


def test_it_is_gone_for_a_minute_while_a_training_runs(system: System) -> None:
    """The training goes on without it; the card says that the queue is away, and catches up."""
    with Training(system, "runs", lasting(1.5)) as training:
        training.trains()
        with harm.without_redis(system):
            system.wait_for_card(training.card, "My memory (Redis) can't be reached", timeout=40)
            time.sleep(AWAY_S)
        since = time.monotonic()
        until = goes_on(training)
        training.learned()
        assert len(training.attempts()) == 1, "its delivery was renewed in time"
    record(GONE, "training", "went on, finished", since=since, until=until, lost_s=0)


def test_a_message_is_lost_while_the_queue_is_busy(system: System) -> None:
    """As when a worker is killed between Redis' answer and its own note of that; others go on waiting in the queue."""
    with (
        Training(system, "busy", lasting(5)) as busy,
        Training(system, "lost", TINY) as lost,
        Training(system, "next", TINY) as following,
    ):
        busy.trains()
        with system.redis as client:
            assert take_message(client, lost.job_id)
            since = time.monotonic()
            lost.until("its next message", lambda: message_id(lost.job_id, 2) in queued(client), LOST_S + 60)
            until = time.monotonic()
            assert queued(client) == [message_id(lost.job_id, 2), message_id(following.job_id, 1)]
        system.client.click_label(busy.card, "Cancel")
        busy.ended("Cancelled")
        for training in (lost, following):
            training.learned()
            assert [attempt.resumed for attempt in training.attempts()] == [False]
    record("a message lost under a busy queue", "queued", "sent again, all finished", since=since, until=until)


def queued(client: redis.Redis) -> list[str]:
    """Ids of the messages for train workers, the next one first."""
    return ids_in_order([cast(list[bytes], client.lrange(name, 0, -1)) for name in lists_of(TRAIN_QUEUE)])


def take_message(client: redis.Redis, job_id: str) -> bool:
    """Take a training's message out of its list; False: there is none."""
    for name in lists_of(TRAIN_QUEUE):
        for message in cast(list[bytes], client.lrange(name, 0, -1)):
            if id_of(message) == message_id(job_id, 1):
                return bool(client.lrem(name, 1, message))  # type: ignore[arg-type]
    return False


def test_it_comes_back_without_the_last_seconds(system: System) -> None:
    """It does not know that the training was begun. Whoever has it stops, and the next attempt goes on from there."""
    with system.redis as client, contextlib.ExitStack() as training_goes_on:
        with harm.without_worker(system, "train"):
            training = training_goes_on.enter_context(Training(system, "forgotten", lasting(2)))
            training.until("its card to be noted", lambda: client.hexists(keys.job(training.job_id), "card"))
            with harm.losing_what_follows(system):
                start_worker(system, "train")
                training.trains()
        since = time.monotonic()
        told = training.next_attempt(1, 2 * LEASE_S + 60)
        assert told.event.resumed  # type: ignore[union-attr]
        training.learned()
    record("Redis back without its last seconds", "training", "resumed, finished", since=since, until=told.at)


def test_a_training_is_cancelled_while_redis_is_full(system: System) -> None:
    with Training(system, "runs", lasting(1)) as first, Training(system, "unwanted", TINY) as second:
        first.trains()
        with harm.full_redis(system):
            since = time.monotonic()
            system.client.click_label(second.card, "Cancel")
            second.ended("Cancelled", timeout=60)
            until = time.monotonic()
        first.learned()
        assert second.attempts() == []
        assert len(first.attempts()) == 1
    record("Redis is full", "queued", "cancelled at once, the other finished", since=since, until=until)


def test_it_hangs_for_a_minute_while_a_text_is_asked_for(system: System) -> None:
    """A server that is there and says nothing: whoever asks is told within seconds, and may ask again."""
    system.add_model("poet")
    with harm.frozen(harm.redis_server(system)):
        answer = system.ask("!generate the fog --length 40", timeout=40)
        assert "I can't reach my memory right now." in text_of(answer)
        time.sleep(30)
    since = time.monotonic()
    answer = system.client.wait_for(
        lambda: next((a for a in [system.ask("!generate the fog --length 40")] if "**the fog**" in text_of(a)), None),
        60,
        "a text",
    )
    record("Redis hangs for a minute", "asking for a text", "refused, then answered", since=since)
