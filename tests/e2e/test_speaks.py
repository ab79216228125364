"""By itself the bot speaks where an admin wants it, to people, and no more than it may, whatever restarts."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.driver.client import Message, text_of
from tests.e2e.acts import ask, newest, restart_bot, slash, undelivered
from tests.e2e.system import ANSWER_S, System


@pytest.fixture(autouse=True)
def speaking(system: System) -> Iterator[None]:
    """A model in #lab, where the bot says something after each message, up to twice an hour."""
    system.add_model("tides")
    assert "at most 2 times an hour" in ask(system, "!speak most 2\n100%")
    yield
    assert "only when I'm asked to" in ask(system, "!speak off")


def unasked(system: System, after: str) -> list[Message]:
    """What the bot has said by itself since a message: nobody's answer, without an embed."""
    bot = system.client.world().bot_user_id
    later = [one for one in system.client.messages(after=after) if one["author"]["id"] == bot]
    return [one for one in later if not one["embeds"] and not one.get("message_reference")]


def test_it_speaks_by_itself_and_is_quiet_when_a_moderator_wants_it(system: System) -> None:
    begun = newest(system)
    system.client.send("good evening @everyone", person="ben")
    (text,) = system.client.wait_for(lambda: unasked(system, begun), ANSWER_S, "a text")
    assert text["content"]
    assert text["mentions"] == []
    assert not text["mention_everyone"]
    assert "You can't have me be quiet" in ask(system, "!quiet 8h", person="ben")
    assert "quiet until <t:" in text_of(slash(system, "quiet", {"time": "8h"}, person="dora"))
    restart_bot(system)
    system.client.send("hello?", person="ben")
    assert "quiet until <t:" in ask(system, "!speak"), "what is answered later was heard later"
    assert "quiet" not in ask(system, "!quiet off", person="dora")
    system.client.send("hello?", person="ben")
    system.client.wait_for(lambda: len(unasked(system, begun)) == 2, ANSWER_S, "one more text")
    restart_bot(system)
    system.client.send("and now?", person="ben")
    ask(system, "!generate the tide --length 20")
    system.client.wait_for(lambda: not undelivered(system), ANSWER_S, "the end of all jobs")
    assert len(unasked(system, begun)) == 2, "two an hour, also after a restart"
