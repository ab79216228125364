"""Whatever a person gets wrong, they are told what and how to mend it."""

from __future__ import annotations

import pytest

from tests.driver.client import text_of
from tests.e2e.acts import TINY
from tests.e2e.system import System


@pytest.mark.parametrize(
    ("typed", "problem", "remedy"),
    [
        ("!train frankenstien", "There is no text called `frankenstien`", "Did you mean `frankenstein`"),
        ("!train", "What should I learn?", "!catalogue"),
        ("!train harbour --epochs 0", "`--epochs` is 0", "from 1 to"),
        ("!train harbour --epochs many", "`--epochs` can't be `many`", "Usage"),
        ("!train harbour --recipe soup", "`--recipe` can't be `soup`", "`char`, `word` or `classic`"),
        ("!train harbour --encoding one-hot --embedding 8", "has no embedding", "Leave out one of them"),
        ("!train harbour --recipe classic --embedding 8", "doesn't go with the recipe `classic`", "Leave out"),
        ("!train harbour --from nosuch", "No model called `nosuch`", "!models"),
        ("!train more --layers 2", "keeps its network", "Leave out `--layers`"),
        ("!train harbour --name ../../x", "isn't a valid model name", "32"),
        ("!train harbour --epohcs 2", "no option `--epohcs`", "`--epochs`"),
        ("!train ../../../etc/passwd", "There is no text called", "catalogue"),
        ("!generate the sea --from-corpus", "so it can't use your words", "Leave out the words"),
        ("!model export", "no model here that you may export", "Manage Server"),
        ("!model use", "`NAME` is missing", "Usage: `!model use NAME [--keep]`"),
        ("!generate the sea --temperature 9", "`--temperature` is 9", "from 0 to 2"),
        ("!generate the sea --tempo 0.5", "no option `--tempo`", r"write `\--tempo`"),
        ("!generate the sea --top 5", "`--top` is not clear: `--top-k` or `--top-p`", "Write more of it"),
        ("!generate the sea --stop page", "`--stop` can't be `page`", "`sentence` or `line`"),
        ("!generate the sea --mix a", "`--mix` names only one model", "`--mix frankenstein:0.7,alice:0.3`"),
        ("!generate the sea --mix a,b --model c", "don't go together", "Leave out one"),
        ("!generate the sea --mix a,b", "No model called `a`", "!models"),
        ("!cancel t-1", "There is no training `t-1`", "bottom of its card"),
        ("!help nosuch", "There is no command `nosuch`", "!help"),
    ],
)
def test_bad_commands_are_explained(system: System, typed: str, problem: str, remedy: str) -> None:
    text = text_of(system.ask(typed, channel="library"))
    assert problem in text
    assert remedy in text


@pytest.mark.parametrize(
    ("name", "data", "problem"),
    [
        ("short.txt", b"Too short.", "too short"),
        ("empty.txt", b"", "empty"),
        ("book.pdf", b"%PDF-1.7\n" + b"\x00\x01\x02" * 900, "PDF"),
        ("book.txt", b"PK\x03\x04" + bytes(range(256)) * 20, "ZIP"),
        ("noise.txt", bytes(range(256)) * 40, ""),
    ],
)
def test_bad_files_are_refused(system: System, name: str, data: bytes, problem: str) -> None:
    answer = system.ask("!train --epochs 1", files={name: data}, channel="library")
    assert "❌" in text_of(answer)
    assert problem in text_of(answer)


def test_a_seed_of_unknown_characters_is_explained(system: System) -> None:
    card = system.ask(f"!train harbour {TINY} --name letters")
    system.wait_for_card(card, "is now this channel's model")
    partly = system.ask("!generate the sea 漢字 --model letters --length 30")
    assert "漢" in text_of(partly)
    assert "Worth knowing" in text_of(partly)
    wholly = system.ask("!generate 漢字 --model letters")
    assert "❌" in text_of(wholly)


def test_without_a_worker_the_card_says_so(system: System) -> None:
    system.stop_part("train")
    try:
        card = system.ask(f"!train harbour {TINY} --name patient")
        system.wait_for_card(card, "No worker is running", timeout=60)
    finally:
        system.start_part("train")
    system.wait_for_card(card, "`patient` is now this channel's model")


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
