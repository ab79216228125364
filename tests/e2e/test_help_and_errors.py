"""Help leads everywhere, and whatever goes wrong is told to the person, alone where Discord allows it."""

from __future__ import annotations

from typing import Any

import pytest

from shared.errors import UserError
from tests.driver.client import components, text_of
from tests.e2e.acts import whisper, whispered
from tests.e2e.system import System

COMMANDS = (
    "train", "catalogue", "generate", "compare", "mix", "surprise", "chat", "models", "model", "jobs", "finish",
    "cancel", "settings", "status", "help",
)  # fmt: skip


def test_help_is_grouped_and_short(system: System) -> None:
    said = text_of(system.ask("!help"))
    for heading in ("Training", "Generating", "Models", "Jobs", "This server"):
        assert heading in said
    for name in COMMANDS:
        assert f"`!{name}`" in said
    assert len(said) < 2_000


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_a_page(system: System, name: str) -> None:
    said = text_of(system.ask(f"!help {name}"))
    assert "❌" not in said
    assert said.count(f"!{name}") >= 2


def test_subcommands_have_pages_and_slash_help_is_private(system: System) -> None:
    assert "!model use NAME" in text_of(system.ask("!help model use"))
    before = system.client.send("help follows")["id"]
    system.client.slash("help", {"command": "model share"}, person="ben")
    whisper(system, "!model share", before, person="ben")
    assert whispered(system, "!model share", before) is None


def test_the_menu_opens_pages_even_for_those_who_may_not_write(system: System) -> None:
    shown = system.ask("!help")
    menu = next(item for item in components(shown) if item.get("custom_id"))
    assert "settings" in {option["value"] for option in menu["options"]}
    system.client.select(shown["id"], menu["custom_id"], ["generate"], person="cleo")
    page = whisper(system, "--temperature", shown["id"], person="cleo")
    system.client.select(page["id"], menu["custom_id"], ["*"], person="cleo")
    again = whisper(system, "Training", shown["id"], person="cleo")
    assert again["id"] == page["id"]
    assert "settings" not in text_of(again)


def test_a_mention_is_a_prefix_too(system: System) -> None:
    bot = system.client.world().bot_user_id
    assert "learns to write" in text_of(system.ask(f"<@{bot}> help"))


def test_unknown_commands(system: System) -> None:
    assert "Did you mean `!generate`" in text_of(system.ask("!genrate the sea", person="ben"))
    assert "`!help` lists them all" in text_of(system.ask("!frobnicate", person="ben"))
    sent = [system.client.send(typed)["id"] for typed in ("!!!", "! wow", "!?")]
    last = system.ask("!status")
    later = system.client.messages(after=sent[0])
    bot = system.client.world().bot_user_id
    assert [message["id"] for message in later if message["author"]["id"] == bot] == [last["id"]]


def test_errors_of_slash_commands_are_private_and_leave_nothing(system: System) -> None:
    before = system.client.send("errors follow")["id"]
    system.client.slash("generate", {"seed": "the sea", "model": "nosuch"}, person="ben")
    system.client.slash("cancel", {"job": "t-1"}, person="ben")
    system.client.slash("train", {"source": "nosuchtext"}, person="ben")
    for words in ("No model called `nosuch`", "There is no training `t-1`", "There is no text called `nosuchtext`"):
        whisper(system, words, before, person="ben")
    assert system.client.messages(after=before, person="ada") == []


def test_a_control_of_an_earlier_version_is_answered(system: System) -> None:
    shown = system.ask("!help")
    system.client.click(shown["id"], "galvanic:long-gone:1", person="ben", forged=True)
    whisper(system, "no longer works", shown["id"], person="ben")


def test_threads_and_direct_messages(system: System) -> None:
    thread = system.client.create_thread("aside", channel="library")
    assert "learns to write" in text_of(system.ask("!help", channel=thread))
    assert "no command `!frobnicate`" in text_of(system.ask("!frobnicate", channel=thread))
    assert "Catalogue" in text_of(system.ask("!catalogue", person="ben", channel="dm"))
    assert "works in servers" in text_of(system.ask("!models", person="ben", channel="dm"))
    assert "My commands begin with `!`" in text_of(system.ask("hello there", person="ben", channel="dm"))


def test_where_the_bot_may_not_write_it_says_so_directly(system: System) -> None:
    system.client.deny_bot("send_messages", channel="library")
    try:
        sent = system.client.send("!train harbour", person="ben", channel="library")
        told = system.client.wait_for(
            lambda: system.answer_to(sent["id"], person="ben", channel="dm"), 60, "a direct message"
        )
        assert "Send Messages" in text_of(told)
    finally:
        system.client.deny_bot(channel="library")


def test_without_embeds_it_says_so_in_plain_text(system: System) -> None:
    system.client.deny_bot("embed_links", channel="library")
    try:
        for typed in ("!help", "!models", "!frobnicate", "!settings", "!status"):
            answer = system.ask(typed, channel="library")
            assert answer["embeds"] == []
            assert "❌" in text_of(answer)
    finally:
        system.client.deny_bot(channel="library")


def test_only_the_operator_syncs(system: System) -> None:
    assert "Only the bot's operator" in text_of(system.ask("!sync", person="ben"))
    assert "slash commands" in text_of(system.ask("!sync"))


def test_who_may_not_write_is_refused_by_discord_itself(system: System) -> None:
    with pytest.raises(UserError, match="permission to send"):
        system.client.send("!help", person="cleo")
    with pytest.raises(UserError, match="permission to use application commands"):
        system.client.slash("help", person="cleo")
    assert "learns to write" in text_of(system.ask("!help", person="cleo", channel="library"))


def test_nothing_that_was_sent_mentions_anybody(system: System) -> None:
    system.add_model("loud")
    hostile = "@everyone <@1297000000000000022> <@&1297000000000000001>"
    written = system.ask(f"!generate {hostile} --model loud --length 30")
    system.client.click_label(written, "Again", person="ben")
    system.ask(f"!frobnicate {hostile}")
    system.client.slash("help", {"command": hostile})
    requests = system.client.requests()
    bodies = [body for request in requests for body in _messages(request)]
    assert len(bodies) > 3
    for body in bodies:
        assert body.get("allowed_mentions", {}).get("parse") == [], body
        assert not any(body["allowed_mentions"].get(kind) for kind in ("users", "roles", "replied_user"))


def _messages(request: dict[str, Any]) -> list[dict[str, Any]]:
    """The message within a request: its body, or what an interaction is answered with."""
    body = request["body"]
    if request["method"] not in ("POST", "PATCH") or not isinstance(body, dict):
        return []
    data = body["data"] if isinstance(body.get("data"), dict) else body
    return [data] if data.get("content") or data.get("embeds") else []
