"""Real or model?, and the texts that people liked best, over sockets with a real worker."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from shared import keys
from tests.driver.client import Message, text_of
from tests.e2e.acts import buttons, press, slash, start_bot, stop_bot
from tests.e2e.system import System

CHANNELS = ("lab", "library", "tavern", "cellar")


@pytest.fixture(scope="module", autouse=True)
def _model(system: System) -> Iterator[None]:
    system.add_model("tides")
    yield
    world = system.client.world()
    with system.redis as client:
        client.delete(keys.QUIZZES, keys.quiz_scores(int(world.guild_id)), keys.best(int(world.guild_id)))
        client.delete(*(keys.quiz(int(world.channels[name])) for name in CHANNELS))


def quiz(system: System, typed: str, channel: str) -> Message:
    message = system.ask(f"{typed} --seconds 600", channel=channel)
    assert "Which one is real?" in text_of(message)
    return message


def test_a_quiz_goes_on_after_a_restart_and_is_answered_in_time(system: System) -> None:
    message = slash(system, "quiz", {"passages": 4, "seconds": 600})
    assert list(buttons(message)) == ["A", "B", "C", "D"]
    for person, letter in zip(("ada", "ben", "dora", "ada"), "ABCD", strict=True):
        said = text_of(press(system, message, letter, "You guessed", person=person))
        assert f"You guessed **{letter}**" in said
    stop_bot(system)
    with system.redis as client:
        assert client.zadd(keys.QUIZZES, {system.client.world().channels["lab"]: 1}) == 0
    start_bot(system)
    ended = system.wait_for_card(message, "comes from the text", "of 3 guessed right")
    assert not buttons(ended)
    assert ended["mentions"] == []
    assert text_of(system.ask("!quiz scores")).count(" of 1") == 3
