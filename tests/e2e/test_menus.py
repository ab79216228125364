"""The menu of a message, over sockets: texts are continued, deleted and blocked from it, after a restart too."""

from __future__ import annotations

import pytest

from shared import keys
from tests.driver.client import text_of
from tests.e2e.acts import (
    EPHEMERAL,
    assert_refused,
    newest,
    on_message,
    restart_bot,
    settings_of_the_server,
    submit,
    whisper,
    written,
)
from tests.e2e.system import System


@pytest.fixture(scope="module", autouse=True)
def _model(system: System) -> None:
    system.add_model("tides")


def test_a_message_and_then_its_text_go_on(system: System) -> None:
    said = system.client.send("the tide watches", person="ben")
    assert_refused(on_message(system, said, "Continue this", person="dora"), "somebody else's")
    text = on_message(system, said, "Continue this", person="ben")
    assert not text["flags"] & EPHEMERAL
    assert written(text).startswith("**the tide watches**")
    assert text["interaction_metadata"]["name"] == "Continue this"
    more = on_message(system, text, "Continue this", person="dora")
    assert "**… " in written(more)
    assert on_message(system, text, "Surprise map", person="dora")["embeds"][0]["image"]["url"]


def test_an_answer_of_a_chat_is_deleted_after_a_restart(system: System) -> None:
    system.ask("!chat on")
    try:
        answer = system.ask(f"<@{system.client.world().bot_user_id}> hello", person="ben")
    finally:
        system.ask("!chat off")
    restart_bot(system)
    assert "deleted" in text_of(on_message(system, answer, "Delete this text", person="ben"))
    assert system.client.message(answer["id"]) is None
    with system.redis as client:
        asked = answer["message_reference"]["message_id"]
        system.client.wait_for(lambda: not client.exists(keys.job(f"c-{asked}"), keys.job_events(f"c-{asked}")))


def test_a_phrase_is_never_said_again(system: System) -> None:
    with settings_of_the_server(system, blocklist=()):
        text = system.ask("!generate the tide --length 30", person="ben")
        before = newest(system)
        submit(system, system.client.on_message(text["id"], "Never say this again"), {"phrase": "the tide"})
        assert "is deleted" in text_of(whisper(system, "`the tide` is on this server's blocklist", before))
        assert system.client.message(text["id"]) is None
        assert "███ ████" in written(system.ask("!generate the tide --length 30 --random-seed 1"))
