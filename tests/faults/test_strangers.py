"""What comes twice, comes late, is damaged, or kills whoever takes it: one result, and a true one."""

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
from celery import Celery

from bot.__main__ import EX_CONFIG
from shared import keys
from shared.events import Failed, Progress
from shared.jobs import TrainJob
from shared.lifecycle import LEASE_S
from shared.queues import TRANSPORT, send
from tests.driver.client import text_of
from tests.e2e.acts import TINY, lasting
from tests.e2e.system import System
from tests.faults import harm
from tests.faults.cells import record
from tests.faults.moments import Training
from worker.jobs import MAX_DEATHS


@contextmanager
def another(system: System, *command: str) -> Iterator[psutil.Process]:
    """A second one of a part, that no manager looks after."""
    like = next(one for one in system.part("-m", *command))
    process = subprocess.Popen(
        [sys.executable, "-m", *command],
        env=like.environ(),
        cwd=like.cwd(),
        stdout=subprocess.DEVNULL,
        stderr=(system.data / "logs" / "another.log").open("ab"),
    )
    try:
        yield psutil.Process(process.pid)
    finally:
        for one in [process, *psutil.Process(process.pid).children(recursive=True)] if process.poll() is None else []:
            one.kill()
        process.wait(20)


def answers(system: System, typed: str) -> int:
    """How many answers a command gets within some seconds."""
    asked = system.client.send(typed)
    system.client.wait_for(lambda: system.answer_to(asked["id"]), 60, "an answer")
    time.sleep(3)
    return sum(1 for one in system.client.messages(after=asked["id"]) if one["author"] != asked["author"])


def test_a_second_bot_says_so_and_ends(system: System) -> None:
    first = harm.bot(system)
    with Training(system, "shared") as training:
        training.trains()
        since = time.monotonic()
        with another(system, "bot") as second:
            assert answers(system, "!help") == 1
            assert second.wait(60) == EX_CONFIG
        until = time.monotonic()
        assert "Another bot runs with this Redis" in (system.data / "logs" / "another.log").read_text()
        assert harm.bot(system).pid == first.pid
        training.learned()
    record("a second bot with the same Redis", "training", "it ended, the first went on", since=since, until=until)


def test_two_workers_do_each_training_once(system: System) -> None:
    with another(system, "worker", "serve", "train"):
        system.client.wait_for(lambda: len(harm.workers_there(system, "train")) == 2, 60, "a second worker")
        since = time.monotonic()
        with Training(system, "one") as one, Training(system, "two") as two, Training(system, "three", TINY) as three:
            for training in (one, two, three):
                training.learned()
                assert len(training.attempts()) == 1
    record("two train workers, three trainings", "training", "each done once", since=since)


def test_an_attempt_that_was_asleep_stops_without_a_word(system: System) -> None:
    """A laptop's lid is closed: another worker takes over, and the first one wakes up in the midst of it."""
    with Training(system, "slept", lasting(0.8)) as training:
        training.trains()
        asleep = [harm.child(system), harm.worker(system, "train")]
        with another(system, "worker", "serve", "train"):
            system.client.wait_for(lambda: len(harm.workers_there(system, "train")) == 2, 60, "a second worker")
            with harm.frozen(*asleep):
                since = time.monotonic()
                told = training.next_attempt(1, LEASE_S + 90)
                training.until(
                    "progress of the other",
                    lambda: any(one.attempt > 1 and isinstance(one.event, Progress) for one in list(training.told)),
                )
            training.learned()
            old = [one for one in training.told if one.attempt == 1 and one.at > told.at]
            assert not old, "the old attempt told something"
    record("a train worker stands still", "training", "another resumed, finished", since=since, until=told.at)


def test_a_message_that_is_delivered_twice_is_one_training(system: System) -> None:
    with contextlib.ExitStack() as training_goes_on, system.redis as client:
        training = training_goes_on.enter_context(Training(system, "twice", TINY))
        # Celery gives out again what a worker had taken that was killed before it said so.
        training.learned()
        attempt, nonce = 1, client.hget(keys.job(training.job_id), "nonce").decode()
        job = TrainJob.model_validate_json(client.hget(keys.job(training.job_id), "job"))
        since = time.monotonic()
        with Celery("tests", broker=harm.broker(system), task_serializer="json") as app:
            app.conf.broker_transport_options = TRANSPORT
            for _ in range(2):
                send(app, job, attempt, nonce)
        system.client.wait_for(lambda: not client.llen("train") and not client.hlen("unacked"), 60, "them to go")
        assert len(training.attempts()) == 1
    record("a message delivered three times", "queued", "done once", since=since)


def test_a_training_that_kills_its_worker_again_and_again_is_given_up(system: System) -> None:
    """As when the system kills what takes too much memory."""
    with Training(system, "greedy", lasting(1)) as training:
        since = time.monotonic()
        for attempt in range(1, MAX_DEATHS + 1):
            training.until("the attempt", lambda n=attempt: _has_begun(training, n))  # type: ignore[misc]
            if attempt == 1:  # a later one that saved a checkpoint would begin a new row
                training.until("it to learn", lambda: _learns(training, 1))
            harm.kill(harm.child(system))
        card = training.ended(f"This training ended in trouble {MAX_DEATHS} times in a row")
        assert "short of memory" in text_of(card)
        assert isinstance(training.ends[0], Failed)
    record("out-of-memory kill, five times", "training", "given up, with the reason", since=since)


def _has_begun(training: Training, attempt: int) -> bool:
    with training.system.redis as client:
        known = client.hmget(keys.job(training.job_id), "state", "attempt")
    return bool(known == [b"begun", str(attempt).encode()])


def _learns(training: Training, attempt: int) -> bool:
    return any(one.attempt == attempt and isinstance(one.event, Progress) for one in list(training.told))


def test_a_damaged_job_is_refused(system: System) -> None:
    with contextlib.ExitStack() as training_goes_on, system.redis as client:
        with harm.without_worker(system, "train"):
            training = training_goes_on.enter_context(Training(system, "damaged", TINY))
            key = keys.job(training.job_id)
            job = json.loads(client.hget(key, "job"))
            client.hset(key, "job", json.dumps({**job, "colour": "red"}))
            since = time.monotonic()
        training.ended("can't read this job", "should look at Redis")
    record("a damaged job", "queued", "refused, with the reason", since=since)
