"""Exports of Slack.

Their layout: https://slack.com/help/articles/220556107-How-to-read-Slack-data-exports; the marks in a message:
https://api.slack.com/reference/surfaces/formatting; the fields of a user: https://api.slack.com/types/user.
"""

import contextlib
import datetime
import json
import re
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, strategies as st

from galvanic.errors import UserError
from galvanic.read.chat import BOTS, DAMAGED, OTHER_FILES, SYSTEM, WORDLESS, Chat
from galvanic.read.encodings import head_text
from galvanic.read.files import Files
from galvanic.read.slack import messages, recognises
from tests.galvanic.read.reading import lines, read_chat, zipped

USERS = [
    {"id": "U1", "name": "ada.l", "deleted": False, "is_bot": False, "profile": {"display_name": "Ada"}},
    {"id": "U2", "name": "ben", "deleted": True, "profile": {"display_name": "", "real_name": "Ben Smith"}},
    {"id": "U3", "name": "cleo", "real_name": "", "profile": None},
    {"id": "B1", "name": "helper", "is_bot": True, "profile": {"real_name": "Helper"}},
]


def sent(text: Any, user: Any = "U1", **fields: Any) -> dict[str, Any]:
    return {"type": "message", "user": user, "text": text, "ts": "1577880000.000100", **fields}


def archive(days: dict[str, Any], users: Any = USERS, root: str = "") -> bytes:
    """An export as it comes: a ZIP file."""
    files = {"channels.json": [{"id": "C1", "name": "general", "members": ["U1"]}], "users.json": users, **days}
    return zipped(*((root + path, json.dumps(content, indent=4)) for path, content in files.items()))


def read(*archives: bytes) -> Chat:
    chat = read_chat(*((f"export-{number}.zip", data) for number, data in enumerate(archives)))
    assert chat.format == "a Slack export"
    return chat


@pytest.mark.parametrize("root", ["", "Example Slack export Jan 1 2020 - Feb 1 2020/"])
def test_an_export_is_what_people_wrote_in_its_channels(root: str) -> None:
    days = {
        "random/2020-01-03.json": [sent("See you", "U3")],
        "general/2020-01-02.json": [
            sent("<@U2> has joined the channel", subtype="channel_join"),
            sent("Good day", "U2"),
            sent("I am a bot", None, subtype="bot_message", bot_id="B7", username="bot"),
            sent("So am I", "B1"),
            sent("A reminder", "USLACKBOT"),
            sent("", files=[{"id": "F1"}]),
            sent("An answer", subtype="thread_broadcast", thread_ts="1577880000.000100"),
        ],
        "general/2020-01-01.json": [sent("Happy new year"), sent("Hm", "U404")],
    }
    chat = read(archive(days, root=root))
    assert lines(chat) == ["Ada: Happy new year", "U404: Hm", "Ben Smith: Good day", "Ada: An answer", "cleo: See you"]
    assert chat.left_out == {BOTS: 3, SYSTEM: 1, WORDLESS: 1, OTHER_FILES: 1}
    assert (chat.first, chat.last) == (datetime.date(2020, 1, 1), datetime.date(2020, 1, 3))


def test_several_exports_are_read_as_one() -> None:
    first = archive({"general/2020-01-01.json": [sent("one")]})
    second = archive({"general/2020-01-01.json": [sent("two", "U5")]}, [{"id": "U5", "name": "eve"}])
    chat = read(first, second)
    assert lines(chat) == ["Ada: one", "eve: two"]
    assert chat.left_out == {OTHER_FILES: 2}


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("<@U2> and <@U3|cleo>, look", "someone and someone, look"),
        ("it is in <#C1|general>", "it is in the channel"),
        ("<!here> and <!subteam^S1|@team> come", "everyone and everyone come"),
        ("until <!date^1392734382^{date}|Feb 18, 2014>", "until then"),
        ("read <https://example.org/a?b=1|this page> first", "read this page first"),
        ("read <https://example.org/>", None),
        ("write to <mailto:ada@example.org|ada@example.org>", None),
        ("salt &amp; pepper &lt;3 &amp;lt;", "salt & pepper <3 &lt;"),
        ("*bold* and _it_ :wave:", "bold and it :wave:"),
        ("&gt; what they said\nno", "no"),
    ],
)
def test_the_marks_of_a_message_become_words(text: str, line: str | None) -> None:
    chat = read(archive({"general/2020-01-01.json": [sent("Hello"), sent(text)]}))
    assert [line.text for line in chat.lines()][1:] == ([line] if line else [])


@pytest.mark.parametrize(
    "entry", [[], 5, None, "x", sent(5), sent({}), sent("hi", None), sent("hi", ["U1"]), {"type": "message"}]
)
def test_entries_that_are_no_messages_are_counted(entry: Any) -> None:
    chat = read(archive({"general/2020-01-01.json": [entry, sent("after it")], "x/2020-99-99.json": [sent("undated")]}))
    assert lines(chat)[-2:] == ["Ada: after it", "Ada: undated"]
    assert chat.left_out == {DAMAGED: 1, OTHER_FILES: 1}


def test_users_may_be_nonsense() -> None:
    users = [None, {}, {"id": ["U1"], "profile": 5}, {"id": "U1", "name": {"a": 1}, "profile": {"real_name": ["x"]}}]
    assert lines(read(archive({"general/2020-01-01.json": [sent("hi")]}, users))) == ["U1: hi"]


def test_damaged_days_are_counted() -> None:
    files = [("users.json", b"[]"), ("general/2020-01-01.json", json.dumps([sent("hi"), sent("ho")]).encode()[:-9])]
    left_out = Counter[str]()
    files.append(("general/2020-01-02.json", b"[" * 9_999))
    assert [message.text for message in messages(Files(files), left_out)] == ["hi"]
    assert left_out == {DAMAGED: 2}


def test_only_days_beside_a_list_of_users_are_an_export() -> None:
    assert recognises(["a/users.json", "a/general/2020-01-01.json"])
    assert not recognises(["users.json", "2020-01-01.json", "general/canvas.json"])
    assert not recognises(["general/2020-01-01.json"])


@given(st.integers(0, 500), st.binary(max_size=3))
def test_no_damage_gives_a_word_that_is_not_in_the_file(place: int, damage: bytes) -> None:
    data = json.dumps([sent("The lamp burns."), sent("Good &amp; night", "U2")]).encode()
    data = data[:place] + damage + data[place + len(damage) :]
    files = Files([("users.json", json.dumps(USERS).encode()), ("general/2020-01-01.json", data)])
    text = re.sub("[<>|]", "", head_text(data))
    with contextlib.suppress(UserError):  # the damaged file begins like an archive
        for message in messages(files, Counter()):
            assert all(word in text for word in re.findall(r"\w+", message.text))
