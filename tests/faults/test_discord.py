"""Discord is in trouble, at each moment: nothing is told twice, and nothing is left untold."""

import contextlib
import time

import pytest

from shared import keys
from tests.driver.client import NotInTimeError, text_of
from tests.e2e.acts import TINY, lasting
from tests.e2e.system import System
from tests.faults.cells import record
from tests.faults.moments import Training

MESSAGES = r".*/channels/\d+/messages"
CARD = r".*/channels/\d+/messages/\d+"


def answers_again(system: System) -> float:
    """Wait until a command is heard: one that is typed while the bot is away is not. When it was."""

    def heard() -> bool:
        asked = system.client.send("!help")
        with contextlib.suppress(NotInTimeError):
            system.client.wait_for(lambda: system.answer_to(asked["id"]), 3)
            return True
        return False

    system.client.wait_for(heard, 90, "the bot to hear a command")
    return time.monotonic()


@pytest.mark.parametrize("for_s", [0.0, 20.0])
def test_its_gateway_is_dropped_while_a_training_runs(for_s: float, system: System) -> None:
    with Training(system, "dropped") as training:
        training.trains()
        system.client.drop_gateway(for_s)
        since = time.monotonic() + for_s
        until = answers_again(system)
        training.learned()
    fault = f"Discord's gateway gone for {for_s:.0f} s" if for_s else "Discord's gateway dropped"
    record(fault, "training", "card went on, finished", since=since, until=until)


def test_its_gateway_is_away_while_the_end_is_posted(system: System) -> None:
    """The end needs no gateway."""
    with Training(system, "away") as training:
        with training.posting():
            system.client.drop_gateway(15)
        since = time.monotonic()
        training.learned()
        record("Discord's gateway gone for 15 s", "posting the result", "one final card", since=since)
        system.client.wait_for_bot(90)


def test_it_asks_to_slow_down_while_a_training_is_queued(system: System) -> None:
    system.client.add_fault("POST", MESSAGES, 429, times=2, retry_after=2.0)
    since = time.monotonic()
    with Training(system, "slow", TINY) as training:
        until = time.monotonic()
        training.learned()
    record("Discord answers 429", "queued", "card came when it was let in", since=since, until=until)


@pytest.mark.parametrize(
    ("status", "fault"),
    [
        ({"status": 429, "retry_after": 3.0, "times": 3}, "Discord answers 429"),
        ({"status": 429, "times": 3}, "Discord's guard answers 429"),
        ({"status": 500, "times": 20}, "Discord answers 500"),
        ({"status": 0, "times": 8}, "Discord cuts connections"),
        ({"status": 200, "times": 1, "wait_s": 40.0}, "Discord does not answer for 40 s"),
    ],
)
def test_it_is_in_trouble_while_the_end_is_posted(status: dict[str, float], fault: str, system: System) -> None:
    with Training(system, "troubled") as training:
        with training.posting():
            system.client.add_fault("PATCH", CARD, **status)  # type: ignore[arg-type]
        since = time.monotonic()
        training.learned()
    record(fault, "posting the result", "one final card", since=since)


def test_it_answers_500_while_a_training_runs(system: System) -> None:
    with Training(system, "edits", lasting(0.5)) as training:
        training.trains()
        system.client.add_fault("PATCH", CARD, 500, times=7)
        since = time.monotonic()
        shown = text_of(system.client.message(training.card["id"]) or {})
        system.client.wait_for(lambda: text_of(system.client.message(training.card["id"]) or {}) != shown, 90)
        until = time.monotonic()
        training.learned()
    record("Discord answers 500", "training", "card went on, finished", since=since, until=until)


@pytest.mark.parametrize(
    ("status", "fault"),
    [
        ({"status": 500, "times": 4, "late": True}, "Discord answers 500, and took the message"),
        ({"status": 0, "times": 2, "late": True}, "Discord cuts connections, and took the message"),
        ({"status": 200, "times": 1, "wait_s": 70.0}, "Discord does not answer for 70 s"),
    ],
)
def test_it_is_in_trouble_while_a_text_is_posted(status: dict[str, float], fault: str, system: System) -> None:
    system.add_model("poet")
    system.client.add_fault("POST", MESSAGES, **status)  # type: ignore[arg-type]
    since = time.monotonic()
    asked = system.client.send("!generate the fog --length 40")
    system.client.wait_for(lambda: system.answer_to(asked["id"]), 60, "the answer")
    until = time.monotonic()
    with system.redis as client:
        system.client.wait_for(lambda: not client.scard(keys.OUTBOX), 100, "the answer to be noted")
    said = [one for one in system.client.messages(after=asked["id"]) if one["author"]["id"] != asked["author"]["id"]]
    assert len(said) == 1
    assert "**the fog**" in text_of(said[0])
    record(fault, "posting a text", "one answer", since=since, until=until)
