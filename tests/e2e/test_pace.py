"""A member who asks too fast is told when to ask again. A request that the bot refuses costs no cooldown."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from shared import keys
from shared.jobs import MODEL_FILE
from tests.driver.client import Message, text_of
from tests.e2e.acts import assert_refused, press
from tests.e2e.system import System, started

pytestmark = pytest.mark.whole


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A system whose members must wait long between two texts."""
    pace = {"GENERATE_COOLDOWN_S": "600", "CHAT_COOLDOWN_S": "600", "TRAIN_COOLDOWN_S": "600"}
    for system in started(tmp_path_factory.mktemp("slow"), **pace):
        system.add_model("tides")
        yield system


def test_a_second_text_waits_and_one_that_the_bot_refuses_costs_nothing(slow: System) -> None:
    assert "out of range" in text_of(slow.ask("!generate x --temperature 7", person="ben"))
    assert "No model called" in text_of(slow.ask("!generate x --model nosuch", person="ben"))
    text = slow.ask("!generate the tide --length 20", person="ben")
    assert "❌" not in text_of(text)
    too_soon = text_of(slow.ask("!generate the tide", person="ben"))
    assert "a bit fast" in too_soon
    assert "Try again in" in too_soon
    assert_refused(press(slow, text, "Again", rested=False, person="ben"), "a bit fast")
    assert "for <@" in text_of(press(slow, text, "Again", rested=False, person="dora")), (
        "each person has a pace of their own"
    )
    assert "a bit fast" in text_of(slow.ask("!compare the tide", person="ben"))
    assert "a bit fast" in text_of(slow.ask("!surprise the tide", person="ben"))
    assert "a bit fast" not in text_of(slow.ask("!generate 漢字", person="ada"))
    assert "a bit fast" in text_of(slow.ask("!generate the tide", person="ada")), "a worker has begun it"


def test_a_file_that_a_worker_refuses_costs_a_cooldown(slow: System) -> None:
    file = {"x.safetensors": b"not a model at all"}
    assert "There is no file to import" in text_of(slow.ask("!model import", person="ben"))
    refused = slow.ask("!model import", person="ben", files=file, timeout=60)
    assert "`x.safetensors` isn't an exported model" in text_of(refused)
    assert "a bit fast" in text_of(slow.ask("!model import", person="ben", files=file))
    with slow.redis as client:
        assert client.keys(keys.artifact("i-*", MODEL_FILE)) == []


@pytest.mark.long
def test_a_mention_too_soon_gets_a_reaction_once(slow: System) -> None:
    me = f"<@{slow.client.world().bot_user_id}>"
    slow.ask("!chat on")
    assert slow.ask(f"{me} hello")["content"]
    early = slow.client.send(f"{me} and?", person="ben")

    def reacted() -> Message | None:
        message = slow.client.message(early["id"])
        return message if message is not None and message.get("reactions") else None

    assert [one["emoji"]["name"] for one in slow.client.wait_for(reacted)["reactions"]] == ["⏳"]
    again = slow.client.send(f"{me} and now?", person="ben")
    slow.ask("!chat")
    ignored = slow.client.message(again["id"])
    assert ignored is not None
    assert not ignored.get("reactions")
