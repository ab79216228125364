"""Personas over sockets: called by name and by a reply, two with each other, the same after a restart."""

from __future__ import annotations

from typing import Any

from tests.driver.client import Message
from tests.e2e.acts import ask, newest, restart_bot
from tests.e2e.system import ANSWER_S, System

LIBRARY = "library"
"""Nothing else in these tests is said unasked there, so the hour's texts are this file's."""
MARY, VICTOR = "Mary Shelley · model", "victor · model"


def said(system: System, after: str, title: str) -> list[Message]:
    return [one for one in system.client.messages(after=after, channel=LIBRARY) if one["author"]["username"] == title]


def call(system: System, words: str, **where: Any) -> Message:
    begun = newest(system, channel=LIBRARY)
    system.client.send(words, person="ben", channel=LIBRARY, **where)
    (text,) = system.client.wait_for(lambda: said(system, begun, MARY), ANSWER_S, "a text")
    return text


def test_personas_are_called_and_talk_with_each_other(system: System) -> None:
    system.add_model("tides")
    assert "speaks here with `tides`" in ask(system, "!persona add mary tides Mary Shelley", channel=LIBRARY)
    assert "speaks here with `tides`" in ask(system, "!persona add victor tides", channel=LIBRARY)
    text = call(system, "@mary good evening @everyone")
    assert text["content"]
    assert not text["mention_everyone"]
    restart_bot(system)
    assert "`@mary`" in ask(system, "!persona", channel=LIBRARY)
    assert call(system, "and then?", reply_to=text["id"])["id"] != text["id"]
    begun = newest(system, channel=LIBRARY)
    assert "talk: 2 texts" in ask(system, "!talk mary victor 2", channel=LIBRARY)
    system.client.wait_for(lambda: said(system, begun, VICTOR), ANSWER_S, "the other's text")
    assert len(said(system, begun, MARY)) == 1
    for name in ("mary", "victor"):
        assert "no longer speaks" in ask(system, f"!persona remove {name}", channel=LIBRARY)
