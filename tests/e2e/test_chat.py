"""Mentions of the bot are answered where a channel wants it, and explained where it doesn't."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from shared import keys
from tests.driver.client import Message, text_of
from tests.e2e.acts import restart_bot, slash
from tests.e2e.system import System


@pytest.fixture(scope="module", autouse=True)
def _model(system: System) -> None:
    system.add_model("tides")


@pytest.fixture
def chatting(system: System) -> Iterator[None]:
    assert "Chat is **on**" in text_of(system.ask("!chat on"))
    yield
    assert "Chat is **off**" in text_of(system.ask("!chat off"))


def me(system: System) -> str:
    return f"<@{system.client.world().bot_user_id}>"


def say(system: System, words: str, **options: str) -> Message:
    return system.ask(words, timeout=60, **options)


def quiet(system: System, content: str, **options: str) -> bool:
    """Whether a message stays without an answer: the next command is answered first."""
    sent = system.client.send(content, **options)
    after = system.ask("!chat")
    told = [
        message
        for message in system.client.messages(after=sent["id"])
        if message["author"]["id"] == system.client.world().bot_user_id
    ]
    return [message["id"] for message in told] == [after["id"]]


def test_the_state_is_told_and_switched_by_those_who_may(system: System) -> None:
    assert "Chat is **off** here" in text_of(system.ask("!chat", person="ben"))
    refused = text_of(system.ask("!chat on", person="ben"))
    assert "You can't turn chat on or off here" in refused
    assert "Manage Channels" in refused
    assert "Chat is **on**" in text_of(slash(system, "chat", {"state": "on"}))
    assert "Chat is **off**" in text_of(system.ask("!chat off"))


@pytest.mark.usefixtures("chatting")
def test_a_mention_is_answered_by_the_channels_model(system: System) -> None:
    asked = system.client.send(f"{me(system)} the tide, @everyone?", person="ben")
    answer = system.client.wait_for(lambda: system.answer_to(asked["id"], person="ben"), 60)
    assert answer["message_reference"]["message_id"] == asked["id"]
    assert answer["embeds"] == []
    assert answer["content"]
    assert "the tide, @everyone?" not in answer["content"]
    assert len(answer["content"]) <= 2_000
    assert answer["mentions"] == []
    assert not answer["mention_everyone"]
    with system.redis as client:
        job = client.hget(keys.job(f"c-{asked['id']}"), "job")
    assert rb'"seed":"the tide, @everyone?\n"' in job  # type: ignore[operator]


def seed_of(system: System, answer: Message) -> str:
    """What the model was given for an answer."""
    with system.redis as client:
        data: Any = client.hget(keys.job(f"c-{answer['message_reference']['message_id']}"), "job")
    return str(json.loads(data)["seed"])


@pytest.mark.usefixtures("chatting")
def test_a_reply_goes_on_from_what_was_said_also_after_a_restart(system: System) -> None:
    first = say(system, f"{me(system)} hello")
    restart_bot(system)
    second = say(system, "and you?", person="ben", reply_to=first["id"])
    assert second["content"]
    seed = seed_of(system, second)
    assert seed.startswith("hello\n")
    assert seed.endswith("\nand you?\n")
    assert len(seed) > len("hello\n\nand you?\n")


@pytest.mark.usefixtures("chatting")
def test_a_mention_with_a_command_is_the_command(system: System) -> None:
    assert "There is no text called `nosuch`" in text_of(say(system, f"{me(system)} train nosuch"))
    assert "I learn to write from any text" in text_of(say(system, me(system)))
    assert system.ask(f"{me(system)} trian nosuch")["content"], "words that are no command are chat"


def test_without_chat_a_mention_is_told_how_to_switch_it_on(system: System) -> None:
    text = text_of(say(system, f"{me(system)} hello", person="ben"))
    assert "Chat is off in this channel" in text
    assert "`!chat on`" in text
    assert "`!help`" in text
    assert "I learn to write from any text" in text_of(say(system, me(system), person="ben"))
    assert quiet(system, f"a word about {me(system)[:-1]}0>")  # somebody else's mention
