"""Whatever a person gets wrong, they are told what and how to mend it."""

import pytest

from tests.driver.client import text_of
from tests.e2e.acts import TINY
from tests.e2e.system import System


@pytest.mark.parametrize(
    ("typed", "problem", "remedy"),
    [
        ("!train frankenstien", "There is no text called `frankenstien`", "Did you mean `frankenstein`"),
        ("!train", "What should I learn?", "!catalogue"),
        ("!train harbour --from nosuch", "No model called `nosuch`", "!models"),
        ("!train more --layers 2", "keeps its network", "Leave out `--layers`"),
        ("!generate the sea --from-corpus", "so it can't use your words", "Leave out the words"),
        ("!model export", "There is no model here yet", "!train frankenstein"),
        ("!generate the sea --mix a,b --model c", "don't go together", "Leave out one"),
        ("!cancel t-1", "There is no training `t-1`", "bottom of its card"),
    ],
)
def test_bad_commands_are_explained(system: System, typed: str, problem: str, remedy: str) -> None:
    text = text_of(system.ask(typed, channel="library"))
    assert problem in text
    assert remedy in text


def test_without_redis_commands_say_so_and_work_again_later(system: System) -> None:
    system.stop_part("redis")
    try:
        for typed in ("!generate the sea", "!train harbour", "!models"):
            assert "can't be reached" in text_of(system.ask(typed))
        assert "can't be reached" in text_of(system.ask("!status"))
    finally:
        system.start_part("redis")
    card = system.client.wait_for(lambda: _train_again(system), 60)
    system.wait_for_card(card, "is now this channel's model")


def _train_again(system: System) -> dict[str, object] | None:
    answer = system.ask(f"!train harbour {TINY} --name afterwards")
    return answer if "Learning" in text_of(answer) else None
