"""kill -9 of each part, at each moment of a training: it goes on from its last checkpoint, and ends once."""

import subprocess
import sys
import time

import pytest

from shared import keys
from tests.driver.client import text_of
from tests.e2e.acts import TINY
from tests.e2e.system import System
from tests.faults import harm
from tests.faults.cells import record
from tests.faults.moments import CHECKPOINT_S, Training, caught_saving

SLACK_S = 8.0
"""A sample is written, and the machine is busy: a checkpoint that is due comes so much later at most."""


# ---------------------------------------------------------------------- the child in which a training runs, or both

CHILD, WORKER = "kill -9 of the train child", "kill -9 of the train worker"


def kill(fault: str, system: System) -> float:
    return harm.kill(harm.child(system)) if fault == CHILD else harm.kill_worker(system, "train")


@pytest.mark.parametrize("fault", [CHILD, WORKER])
def test_it_is_killed_while_it_reads(fault: str, system: System) -> None:
    with Training(system, "read") as training:
        training.is_read()
        since = kill(fault, system)
        told = training.next_attempt(1)
        training.learned()
    record(fault, "reading text", "began again, finished", since=since, until=told.at)


@pytest.mark.parametrize("fault", [pytest.param(CHILD, marks=pytest.mark.keeps), WORKER])
def test_it_is_killed_while_it_trains(fault: str, system: System) -> None:
    with Training(system, "trained") as training:
        training.trains()
        since = kill(fault, system)
        told = training.next_attempt(1)
        assert told.event.resumed  # type: ignore[union-attr]
        training.learned()
        lost_s = training.lost_s()
        assert lost_s <= CHECKPOINT_S + SLACK_S
    record(fault, "training", "resumed, finished", since=since, until=told.at, lost_s=lost_s)


@pytest.mark.parametrize("fault", [CHILD, WORKER])
def test_it_is_killed_while_it_saves(fault: str, system: System) -> None:
    with caught_saving(system, "saved") as training:
        since = kill(fault, system)
        told = training.next_attempt(1)
        training.learned()
    record(fault, "saving", "resumed, finished", since=since, until=told.at)


def test_the_worker_is_killed_while_a_training_waits(system: System) -> None:
    with Training(system, "first") as first, Training(system, "second", TINY) as second:
        first.trains()
        since = harm.kill_worker(system, "train")
        told = first.next_attempt(1)
        assert not second.attempts(), "who was interrupted goes first"
        first.learned()
        second.learned()
        assert [one.resumed for one in second.attempts()] == [False]
    record(WORKER, "queued", "both finished", since=since, until=told.at)  # the worker is back before it is missed


# ---------------------------------------------------------------------- the bot


def test_the_bot_is_killed_while_a_training_waits(system: System) -> None:
    with Training(system, "first") as first, Training(system, "second", TINY) as second:
        first.trains()
        since = harm.kill(harm.bot(system))
        system.wait_for_card(second.card, "next in line", timeout=60)
        system.client.wait_for_bot(60)
        until = time.monotonic()
        first.learned()
        second.learned()
        assert len(first.attempts()) == len(second.attempts()) == 1
    record("kill -9 of the bot", "queued", "card went on, finished", since=since, until=until)


def test_the_bot_is_killed_while_a_worker_reads(system: System) -> None:
    with Training(system, "read-bot") as training:
        training.is_read()
        since = harm.kill(harm.bot(system))
        system.wait_for_card(training.card, "Epoch", timeout=60)
        until = time.monotonic()
        training.learned()
        assert len(training.attempts()) == 1
    record("kill -9 of the bot", "reading text", "card went on, finished", since=since, until=until)


@pytest.mark.keeps
def test_the_bot_is_killed_while_it_posts_the_end(system: System) -> None:
    """Discord has taken the edit, and the bot dies before it hears of that."""
    with Training(system, "posted") as training:
        with training.posting():
            edits = rf".*/messages/{training.card['id']}"
            system.client.add_fault("PATCH", edits, 500, times=3, late=True, wait_s=30)
        system.wait_for_card(training.card, "is now this channel's model", timeout=60)
        since = kill_the_posting_bot(system)
        until = time.monotonic()
        training.learned()
    record("kill -9 of the bot", "posting the result", "one final card", since=since, until=until)


def kill_the_posting_bot(system: System) -> float:
    """Kill it, and wait until the next one has noted what was posted; when it was killed."""
    since = harm.kill(harm.bot(system))
    system.client.clear_faults()
    system.client.wait_for(lambda: not system.client.world().bot_online, 20)
    system.client.wait_for_bot(60)
    with system.redis as client:
        system.client.wait_for(lambda: not client.scard(keys.OUTBOX), 60, "what was posted to be noted")
    return since


# ---------------------------------------------------------------------- texts


def test_the_bot_is_killed_while_it_posts_a_text(system: System) -> None:
    """Discord has taken the answer, and the bot dies before it hears of that: the next run must not post it again."""
    system.add_model("poet")
    system.client.add_fault("POST", r".*/channels/\d+/messages", 500, times=5, late=True, wait_s=30)
    asked = system.client.send("!generate the fog --length 40")
    system.client.wait_for(lambda: system.answer_to(asked["id"]), 60, "the answer")
    since = kill_the_posting_bot(system)
    until = time.monotonic()
    answers = [one for one in system.client.messages(after=asked["id"]) if "**the fog**" in text_of(one)]
    assert len(answers) == 1
    record("kill -9 of the bot", "posting a text", "one answer", since=since, until=until)


_TAKE = """
import os, sys, kombu
assert kombu.Connection(sys.argv[1]).channel().basic_get("generate")
os._exit(0)
"""
"""Takes a message as a worker does, and dies."""


def test_the_generate_worker_is_killed_as_it_takes_a_text(system: System) -> None:
    """Between taking a message and acknowledging it. Celery gives that back, and whoever gets it then drops it."""
    system.add_model("poet")
    harm.worker(system, "generate").suspend()
    time.sleep(3)  # it asks Redis for messages a second at a time, and the last time is over now
    asked = system.client.send("!generate the fog --length 40")
    with system.redis as client:
        system.client.wait_for(lambda: client.llen("generate"), 30, "the request")
    subprocess.run([sys.executable, "-c", _TAKE, harm.broker(system)], check=True)
    since = harm.kill_worker(system, "generate")
    answer = system.client.wait_for(lambda: system.answer_to(asked["id"]), 100, "an answer")
    until = time.monotonic()
    assert "**the fog**" in text_of(answer)
    with system.redis as client:  # what Celery gives back is dropped
        system.client.wait_for(lambda: not client.hlen("unacked") and not client.llen("generate"), 100, "no message")
    answers = [one for one in system.client.messages(after=asked["id"]) if one["author"]["id"] != asked["author"]["id"]]
    assert len(answers) == 1
    record("kill -9 of the generate worker", "queued", "answered", since=since, until=until)


def test_the_generate_worker_is_killed_while_it_writes(system: System) -> None:
    system.add_model("poet")
    asked = system.client.send("!generate the fog --length 4000")
    system.client.wait_for(lambda: _begun(system, f"g-{asked['id']}"), 30, "the worker to begin")
    since = harm.kill_worker(system, "generate")
    answer = system.client.wait_for(lambda: system.answer_to(asked["id"]), 100, "an answer")
    assert "the fog" in text_of(answer)
    assert "❌" not in text_of(answer)
    answers = [one for one in system.client.messages(after=asked["id"]) if one["author"]["id"] != asked["author"]["id"]]
    assert len(answers) == 1
    record("kill -9 of the generate worker", "writing a text", "asked again, answered", since=since)


def _begun(system: System, job_id: str) -> bool:
    with system.redis as client:
        return bool(client.hexists(keys.job(job_id), "worker"))
