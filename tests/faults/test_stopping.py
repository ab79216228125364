"""SIGTERM to each part, and to all: it finishes or hands over within half a minute, and what ran goes on."""

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from shared import keys
from shared.events import Interrupted
from tests.driver.client import text_of
from tests.e2e.acts import lasting, training_of
from tests.e2e.system import TRAIN_S, System, started
from tests.faults import harm
from tests.faults.cells import record
from tests.faults.moments import CHECKPOINT_S, Training, caught_saving

STOPPED_WITHIN_S = 30.0
"""What a manager of services gives each part before it kills it."""


def stop(process: psutil.Process) -> float:
    """SIGTERM, and wait for the end; how long it took. Who overran it would be killed, and lose what they do."""
    began = time.monotonic()
    process.terminate()
    process.wait(STOPPED_WITHIN_S)
    return time.monotonic() - began


def test_the_train_worker_is_stopped_while_it_saves(system: System) -> None:
    with caught_saving(system, "saved") as training:
        child, main = harm.child(system), harm.worker(system, "train")
        since = time.monotonic()
        main.terminate()
        child.resume()
        main.wait(STOPPED_WITHIN_S)
        training.learned()
    record("SIGTERM to the train worker", "saving", "finished", since=since)


@pytest.mark.parametrize("moment", ["reading text", "training"])
def test_the_train_worker_is_stopped(moment: str, system: System) -> None:
    with Training(system, "paused") as training:
        if moment == "training":
            training.trains()
        else:
            training.is_read()
        since = time.monotonic()
        stop(harm.worker(system, "train"))
        training.learned()
        told = next((one.at for one in training.told if one.attempt > 1), None)
        assert bool(training.events(Interrupted)) == (len(training.attempts()) > 1)
    outcome = "resumed, finished" if told else "finished first"
    record("SIGTERM to the train worker", moment, outcome, since=since, until=told)


def test_the_generate_worker_is_stopped_while_it_writes(system: System) -> None:
    system.add_model("poet")
    system.ask("!generate the fog --length 20")  # it is loaded, and the next text is begun at once
    worker = harm.worker(system, "generate")
    # Long enough to be met on any machine.
    asked = system.client.send("!generate the fog --length 200000")
    with system.redis as client:
        system.client.wait_for(lambda: client.scard(keys.OUTBOX), 30, "the request")
    since = time.monotonic()
    stop(worker)
    answer = system.client.wait_for(lambda: system.answer_to(asked["id"]), 100, "an answer")
    assert "the fog" in text_of(answer)
    record("SIGTERM to the generate worker", "writing a text", "answered", since=since)


def test_the_bot_is_stopped_while_a_training_runs(system: System) -> None:
    with Training(system, "watched") as training:
        training.trains()
        since = time.monotonic()
        stop(harm.bot(system))
        system.client.wait_for_bot(60)
        until = time.monotonic()
        training.learned()
        assert len(training.attempts()) == 1
    record("SIGTERM to the bot", "training", "card went on, finished", since=since, until=until)


def test_redis_is_stopped_while_a_training_runs(system: System) -> None:
    with Training(system, "kept") as training:
        training.trains()
        since = time.monotonic()
        stop(harm.redis_server(system))
        training.learned()
        assert len(training.attempts()) == 1
    record("SIGTERM to Redis", "training", "went on, finished", since=since)


@pytest.fixture
def whole(tmp_path: Path) -> Iterator[System]:
    yield from started(tmp_path, CHECKPOINT_EVERY_S=str(CHECKPOINT_S))


def test_everything_is_stopped_while_one_runs_and_one_waits(whole: System) -> None:
    system = whole
    first = system.ask(f"!train harbour {lasting(10)} --name sleeper")
    second = system.ask("!train harbour --epochs 1 --layers 1 --units 32 --name waiter")
    system.wait_for_card(first, "Sample after epoch")
    assert system.stop(signal.SIGINT) == 0
    assert system.processes() == []
    assert list((system.data / "checkpoints").iterdir())
    for log in (system.data / "logs").glob("*.log"):
        assert "Traceback" not in log.read_text("utf-8"), "a stop in order is no error"

    since = time.monotonic()
    system.start()
    job = training_of(first)
    assert "the best so far is kept" in text_of(system.ask(f"!finish {job}"))
    shown = system.client.wait_for(
        lambda: next((m for m in cards_of(system, job) if "is now this channel's model" in text_of(m)), None), 150
    )
    assert "`sleeper`" in text_of(shown)
    assert len(cards_of(system, job)) == 1
    record("everything stopped and started again", "training", "resumed, finished", since=since)
    waiter = training_of(second)
    system.client.wait_for(
        lambda: any("`waiter` is now this channel's model" in text_of(m) for m in cards_of(system, waiter)), TRAIN_S
    )
    assert len(cards_of(system, waiter)) == 1
    assert "**the fog**" in text_of(system.ask("!generate the fog --length 40"))


def cards_of(system: System, job_line: str) -> list[dict[str, object]]:
    found = system.client.messages()
    return [message for message in found if message["author"].get("bot") and job_line in text_of(message)]


def test_killing_the_launcher_leaves_no_process(whole: System) -> None:
    assert whole.process is not None
    whole.process.kill()
    whole.process.wait()
    _, alive = psutil.wait_procs(whole.processes(), timeout=60)
    assert alive == []
    assert whole.processes() == []
