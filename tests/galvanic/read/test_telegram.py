"""Exports of Telegram Desktop.

Their layout is that of its writer (telegramdesktop/tdesktop, Telegram/SourceFiles/export/output/
export_output_json.cpp) and of https://core.telegram.org/import-export.
"""

import datetime
import io
import json
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, strategies as st

from galvanic.errors import UserError
from galvanic.read.chat import BOTS, DAMAGED, FORWARDED, SYSTEM, UNSAFE, WORDLESS, Chat
from galvanic.read.encodings import head_text
from galvanic.read.telegram import messages
from tests.galvanic.read.reading import lines, read_chat

NOTES = {"name": "Notes", "type": "private_supergroup", "id": 1_234_567_890}


def sent(text: Any, sender: Any = "Ada", **fields: Any) -> dict[str, Any]:
    """A message as the program writes it."""
    head = {"id": 7, "type": "message", "date": "2024-01-15T10:30:00", "from": sender, "from_id": "user1"}
    return {**head, **fields, "text": text, "text_entities": [{"type": "plain", "text": "as in the text"}]}


def exported(*entries: Any, **chat: Any) -> bytes:
    return json.dumps({**(chat or NOTES), "messages": entries}, indent=1, ensure_ascii=False).encode()


def read(data: bytes) -> Chat:
    chat = read_chat(("result.json", data))
    assert chat.format == "a Telegram export"
    return chat


def test_a_chat_is_what_people_wrote_in_it() -> None:
    chat = read(
        exported(
            {"id": 1, "type": "service", "actor": "Ada", "action": "create_group", "title": "Notes", "text": ""},
            sent("The lamp burns."),
            sent(["Look ", {"type": "bold", "text": "there"}, ", ", {"type": "pre", "text": "x = 1", "language": ""}]),
            sent([{"type": "text_link", "text": "the page", "href": "https://example.org/"}, " is nice"], "Ben"),
            sent([{"type": "mention", "text": "@ben"}, " and ", {"type": "mention_name", "text": "Cleo"}, ", look"]),
            sent(["mine: ", {"type": "link", "text": "https://example.org/"}]),
            sent("", media_type="sticker", sticker_emoji="👍"),
            sent("Not mine.", forwarded_from="Cleo"),
            sent("Saved.", saved_from="Cleo"),
            sent("A picture of a cat", via_bot="@pic"),
            {"id": 9, "type": "unsupported"},
            sent("Good night", None, from_id="user404", date="2024-02-01T00:00:01"),
        )
    )
    assert lines(chat) == [
        "Ada: The lamp burns.",
        "Ada: Look there, x = 1",
        "Ben: the page is nice",
        "Ada: someone and someone, look",
        "user404: Good night",
    ]
    assert (chat.first, chat.last) == (datetime.date(2024, 1, 15), datetime.date(2024, 2, 1))
    assert chat.left_out == {SYSTEM: 2, FORWARDED: 2, BOTS: 1, WORDLESS: 1, UNSAFE: 1}


def test_of_an_account_only_the_chats_are_read() -> None:
    chats = [
        {"name": "Ben", "type": "personal_chat", "id": 2, "messages": [sent("Hello Ben")]},
        {"name": "Helper", "type": "bot_chat", "id": 7, "messages": [sent("Hello"), sent("Hi", "Helper")]},
        {"type": "saved_messages", "id": 1, "messages": [sent("Buy milk")]},
    ]
    left = [{"name": "Old", "type": "public_supergroup", "id": 3, "messages": [sent("I was here")]}]
    account = {
        "about": 'Here is the data you "requested".',
        "personal_information": {"user_id": 1, "first_name": "Ada", "phone_number": "+1 2", "bio": "A secret bio"},
        "contacts": {"about": "", "list": [{"first_name": "Zoe", "phone_number": "+3 4"}] * 3_000},
        "sessions": {"about": "", "list": [{"last_ip": "1.2.3.4", "messages": [sent("No message")]}]},
        "chats": {"about": "", "list": chats},
        "left_chats": {"about": "", "list": left},
    }
    chat = read(json.dumps(account, indent=1).encode())
    assert [line.text for line in chat.lines()] == ["Hello Ben", "Buy milk", "I was here"]
    assert chat.left_out == {BOTS: 2}


def test_control_characters_as_the_program_writes_them_do_no_harm() -> None:
    data = exported(sent(r"bell \x07 and a \\x1F"), sent("more")).replace(rb"\\x07", rb"\x07")
    assert [line.text for line in read(data).lines()] == [r"bell and a \x1F", "more"]


@pytest.mark.parametrize(
    "entry",
    [[["Ada"]], {"id": 1, "type": "message", "from": "Ada"}, sent({"text": "hi"}), sent("hi", type=None), sent(5), 5],
)
def test_entries_that_are_no_messages_are_counted(entry: Any) -> None:
    chat = read(exported(entry, sent("after it")))
    assert [line.text for line in chat.lines()] == ["after it"]
    assert chat.left_out.total() == 1


def test_dates_and_names_may_be_nonsense() -> None:
    data = exported(sent("one", date="yesterday"), sent("two", date=5), sent("three", {"a": ["b"]}), sent("four", None))
    chat = read(data)
    assert len(list(chat.lines())) == 4
    assert chat.first == datetime.date(2024, 1, 15)


def test_a_file_that_is_cut_off_is_read_up_to_there() -> None:
    whole = exported(*(sent("The lamp burns.") for _ in range(400)))
    chat = read(whole[: len(whole) // 2])
    assert 190 <= len(list(chat.lines())) <= 200
    assert chat.left_out == {DAMAGED: 1}


@pytest.mark.parametrize(
    "entry",
    [
        b"[" * 1_000_000,
        b'{"a":' * 1_000_000,
        b"1" * 1_000_000,
        b"1e999999999",
        b'"' + b"a" * 9_000_000 + b'"',
        b"[" + b"{}," * 3_000_000 + b"1]",
        b'"\xff\xfe"',
    ],
    ids=["arrays", "objects", "digits", "exponent", "string", "values", "bytes"],
)
def test_what_would_exhaust_the_memory_is_no_message(entry: bytes) -> None:
    chat = read(exported(sent("before"), "HERE", sent("after")).replace(b'"HERE"', entry))
    assert next(chat.lines()).text == "before"
    assert chat.left_out[DAMAGED] == 1


def test_an_export_without_messages_is_refused() -> None:
    with pytest.raises(UserError, match="no message to learn in a Telegram export"):
        read(exported())


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.sampled_from(["Ada", "hi", "a b"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["text", "type", "a"]), inner),
    max_leaves=8,
)
ENTRIES = st.dictionaries(st.sampled_from(["type", "text", "from", "from_id", "date", "via_bot"]), VALUES)


@given(st.lists(ENTRIES, max_size=4), st.integers(0, 400), st.binary(max_size=3))
def test_no_damage_gives_a_line_that_is_not_in_the_file(entries: list[Any], place: int, damage: bytes) -> None:
    texts = [sent("The lamp burns."), sent(["Good ", {"type": "bold", "text": "night"}], "Ben")]
    data = exported(*entries, *texts)
    data = data[:place] + damage + data[place + len(damage) :]
    file_text = head_text(data)
    for message in messages(io.BytesIO(data), Counter()):
        assert all(word in file_text for word in message.text.replace("\0", " ").split())
