"""Redis dies or stays away, at each moment: what was told before is still there, and all goes on by itself."""

from __future__ import annotations

import time

from shared.events import Progress
from tests.driver.client import text_of
from tests.e2e.acts import TINY, lasting
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


def goes_on(training: Training, timeout: float = 60) -> float:
    """Wait for progress that was made after now; when it was heard."""
    before = len(training.events(Progress))
    training.until("more progress", lambda: len(training.events(Progress)) > before, timeout)
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


def test_it_is_killed_while_a_worker_reads(system: System) -> None:
    with Training(system, "reads") as training:
        training.is_read()
        since = kill_redis(system)
        until = goes_on(training)
        training.learned()
    record(KILLED, "reading text", "went on, finished", since=since, until=until)


def test_it_is_killed_while_a_training_runs(system: System) -> None:
    with Training(system, "trains") as training:
        training.trains()
        since = kill_redis(system)
        until = goes_on(training)
        training.learned()
        assert len(training.attempts()) == 1, "the training itself needs no Redis"
    record(KILLED, "training", "went on, finished", since=since, until=until, lost_s=0)


def test_it_is_killed_while_a_model_is_saved(system: System) -> None:
    with caught_saving(system, "saves") as training:
        child = harm.child(system)
        since = kill_redis(system)
        child.resume()
        training.learned()
    record(KILLED, "saving", "finished", since=since)


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
            system.wait_for_card(training.card, "The job queue (Redis) cannot be reached", timeout=40)
            time.sleep(AWAY_S)
        since = time.monotonic()
        until = goes_on(training)
        training.learned()
        assert len(training.attempts()) == 1, "its delivery was renewed in time"
    record(GONE, "training", "went on, finished", since=since, until=until, lost_s=0)


def test_it_is_gone_for_a_minute_while_a_model_is_saved(system: System) -> None:
    with caught_saving(system, "saves") as training:
        child = harm.child(system)
        with harm.without_redis(system):
            child.resume()
            time.sleep(AWAY_S)
        since = time.monotonic()
        training.learned()
    record(GONE, "saving", "finished", since=since)


def test_it_hangs_for_a_minute_while_a_text_is_asked_for(system: System) -> None:
    """A server that is there and says nothing: whoever asks is told within seconds, and may ask again."""
    system.add_model("poet")
    with harm.frozen(harm.redis_server(system)):
        answer = system.ask("!generate the fog --length 40", timeout=40)
        assert "My job queue (Redis) can't be reached right now." in text_of(answer)
        time.sleep(30)
    since = time.monotonic()
    answer = system.client.wait_for(
        lambda: next((a for a in [system.ask("!generate the fog --length 40")] if "**the fog**" in text_of(a)), None),
        60,
        "a text",
    )
    record("Redis hangs for a minute", "asking for a text", "refused, then answered", since=since)
