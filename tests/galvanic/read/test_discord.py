"""Exports of Discord's messages.

The layouts are those of DiscordChatExporter's `JsonMessageWriter.cs`, `CsvMessageWriter.cs` and
`PlainTextMessageWriter.cs` (github.com/Tyrrrz/DiscordChatExporter), and of the data package as the code and issue 105
of github.com/Androz2091/discord-data-package-explorer and issue 1459 of DiscordChatExporter have it.
"""

import contextlib
import io
import json
from collections import Counter
from collections.abc import Mapping
from datetime import date
from typing import Any

import pytest
from hypothesis import given, strategies as st

from galvanic.errors import UserError
from galvanic.read import formats
from galvanic.read.chat import BOTS, DAMAGED, OTHER_FILES, SYSTEM, UNSAFE, WORDLESS, Chat, ChatOptions, Message, Origin
from galvanic.read.encodings import head_text
from galvanic.read.files import Files
from galvanic.read.lines import text_file
from tests.galvanic.read.reading import read_chat, zipped

ADA, BEN = 10**17 + 1, 10**17 + 2
ORIGIN = Origin(81384788765712384, "The Annex", 381870553235193857)


def user(number: int, name: str, **more: Any) -> dict[str, Any]:
    names = {"id": str(number), "name": name.lower(), "discriminator": "0000", "nickname": name, "color": None}
    return names | {"isBot": False, "roles": [], "avatarUrl": "https://cdn.discordapp.com/embed/avatars/0.png"} | more


def entry(content: str, author: Mapping[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    return {
        "id": "1000000000000000007",
        "type": "Default",
        "timestamp": "2024-02-29T23:59:01.5+00:00",
        "timestampEdited": None,
        "callEndedTimestamp": None,
        "isPinned": False,
        "content": content,
        "author": author or user(ADA, "Ada"),
        **{key: [] for key in ("attachments", "embeds", "stickers", "reactions", "mentions", "inlineEmojis")},
        **more,
    }


def export(*messages: Any) -> bytes:
    head = {
        "guild": {"id": str(ORIGIN.guild_id), "name": ORIGIN.guild, "iconUrl": "https://cdn.discordapp.com/i.png"},
        "channel": {"id": str(ORIGIN.channel_id), "type": "GuildTextChat", "categoryId": "1", "name": "lab"},
        "dateRange": {"after": None, "before": None},
        "exportedAt": "2026-01-01T00:00:00+00:00",
        "messages": messages,
        "messageCount": len(messages),
    }
    return json.dumps(head, indent=2, ensure_ascii=False).encode()


TABLE = (
    "AuthorID,Author,Date,Content,Attachments,Reactions\r\n"
    f'"{ADA}","ada","2024-02-29T23:59:01.0000000+00:00","two lines,\nof ""words""","","👍 (2)"\r\n'
    f'"{BEN}","ben#0001","29-Feb-24 11:59 PM","Joined the server.","",""\r\n'
    f'"{BEN}","ben#0001","1/3/2024 12:05 AM","hello","https://cdn.discordapp.com/a.png",""\r\n'
).encode()
RULE = "=" * 62
TEXT = f"""{RULE}
Guild: The Annex
Channel: Text / lab
Topic: what we do
{RULE}

[2024-02-29 23:59] ada
first line
[10:30] <eve> a line of a log

after an empty one

{{Reactions}}
👍 (2)

[29.02.2024 23:59] ben#0001 (pinned)


{{Attachments}}
https://cdn.discordapp.com/a.png

{{Embed}}
not a member's words

[2/29/2024 11:59 PM] ada
Pinned a message.


[2024-03-01 00:05] ben#0001
the last


{RULE}
Exported 4 message(s)
{RULE}
""".encode()


def messages(data: bytes) -> tuple[list[Message], Counter[str]]:
    """The messages of a file as its reader yields them."""
    head = head_text(data)
    (reader,) = (chat for chat in formats.CHATS if chat.recognises(head))
    left_out = Counter[str]()
    return list(reader.messages(io.BytesIO(data), left_out)), left_out


def people(chat: Chat) -> list[tuple[str, int, int]]:
    return [(person.name, person.author_id, person.messages) for person in chat.speakers]


def test_json_gives_what_members_wrote_with_their_ids() -> None:
    data = export(
        entry("Hello there"),
        entry("Joined the server.", type="GuildMemberJoin"),
        entry("beep", user(5, "Robot", isBot=True), type="20"),
        entry("", forwardedMessage={"content": "somebody else's words"}),
        entry("a reply", user(BEN, "Ben"), type="Reply", id="1000000000000000009"),
        entry("by an older exporter", user(BEN, "Ben", nickname=None), type=0),
        entry("mail me: ben@example.org"),
    )
    read = read_chat(("export", data))
    assert people(read) == [("Ada", ADA, 1), ("Ben", BEN, 2)]
    assert list(read.lines()) == [
        (0, 1000000000000000007, "Hello there"),
        (1, 1000000000000000009, "a reply"),
        (1, 1000000000000000007, "by an older exporter"),
    ]
    assert read.left_out == {SYSTEM: 1, BOTS: 1, WORDLESS: 1, UNSAFE: 1}
    assert read.origins == {ORIGIN}
    assert read.first == read.last == date(2024, 2, 29)


def test_custom_emoji_and_members_are_written_as_discord_has_them() -> None:
    emoji = [
        {"id": "123456789012345678", "name": "kettle", "code": "kettle", "isAnimated": False},
        {"id": "123456789012345679", "name": "hop", "code": "hop", "isAnimated": True},
        {"id": "", "name": "🙂", "code": "slight_smile", "isAnimated": False},
    ]
    people = [user(ADA, "Ann"), user(BEN, "Ann (the other)")]
    written = {
        ":kettle::hop: 🙂 at 12:30:pot:": "<:kettle:123456789012345678><a:hop:123456789012345679> 🙂 at 12:30:pot:",
        "<:kettle:123456789012345678> <a:hop:1>": "<:kettle:123456789012345678> <a:hop:1>",
        "@Ann (the other) and @Ann, hi @Eve": "<@0> and <@0>, hi @Eve",
    }
    read, _ = messages(export(*(entry(content, inlineEmojis=emoji, mentions=people) for content in written)))
    assert [message.text for message in read] == list(written.values())


def test_emoji_and_mentions_are_not_looked_for_in_what_is_no_message_of_discords() -> None:
    names = [{"id": "123456789012345678", "name": f"emoji_{number}"} for number in range(5_000)]
    for content in ("ab:" * 300_000, ":ab: " * 1_000):
        (message,), _ = messages(export(entry(content, inlineEmojis=names, mentions=names)))
        assert message.text == content


@pytest.mark.parametrize(
    "damaged",
    ["no object", {"type": "Default"}, entry("x") | {"author": [["Ada"]]}, entry("x") | {"content": {"text": "x"}}],
)
def test_json_without_words_or_author_is_counted(damaged: object) -> None:
    read, left_out = messages(export(damaged, entry("hello")))
    assert [message.text for message in read] == ["hello"]
    assert left_out == {DAMAGED: 1}


def test_nonsense_in_a_message_is_no_id_no_date_and_no_name() -> None:
    deep: Any = []
    for _ in range(200):
        deep = [deep]
    author = user(0, "") | {"id": "-7", "name": deep, "nickname": {}}
    (message,), left_out = messages(export(entry("hi", author, id=10**30, timestamp=deep, inlineEmojis=5, mentions=7)))
    assert message == Message("", "hi", None, 0, ORIGIN, 0)
    assert not left_out


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (export(entry("hello")).replace(b'"channel"', b'"chanel"'), "doesn't say which server"),
        (export(entry("hello")) + export(entry("of another channel")), "doesn't say which server"),
        (export(*[entry("beep", user(5, "Robot", isBot=True))] * 2), rf"\(2\): {BOTS}"),
    ],
    ids=["no server", "joined", "bots"],
)
def test_exports_without_words_are_refused_with_the_reason(data: bytes, message: str) -> None:
    with pytest.raises(UserError, match=message):
        read_chat(("export", data))


@given(st.integers(0, len(export(entry("one"), entry("two")))))
def test_json_that_is_cut_off_gives_what_was_before(size: int) -> None:
    whole = export(entry("one"), entry("two"))
    if not any(reader.recognises(head_text(whole[:size])) for reader in formats.CHATS):
        return
    read, left_out = messages(whole[:size])
    assert [message.text for message in read] == ["one", "two"][: len(read)]
    assert left_out[DAMAGED] == (size <= whole.rindex(b"]"))


def test_the_table_gives_ids_but_no_server() -> None:
    read, left_out = messages(TABLE)
    assert read == [
        Message("ada", 'two lines,\nof "words"', date(2024, 2, 29), ADA),
        Message("ben#0001", "hello", date(2024, 1, 3), BEN),
    ]
    assert left_out == {SYSTEM: 1}
    for header, row in (
        ("MessageID,AuthorID,Author,Date,Content", "8,7,eve,,hi"),
        ("AuthorID;Author;Date;Content", "7;eve;;hi"),
    ):
        assert messages(f"{header}\n{row}\n".encode())[0] == [Message("eve", "hi", None, 7)]
    cut, damaged = messages(TABLE[: TABLE.index(b"of")])
    assert (cut, damaged) == ([], {DAMAGED: 1})
    lone = TABLE + b'"7","eve","","' + b"an open quote\n" * 30_000 + TABLE[TABLE.index(b"\n") + 1 :]
    assert messages(lone)[1][DAMAGED] > 0


def test_the_text_gives_names_and_the_server_name() -> None:
    read, left_out = messages(TEXT)
    origin = Origin(0, "The Annex", 0)
    assert read == [
        Message("ada", "first line\n[10:30] <eve> a line of a log\n\nafter an empty one", date(2024, 2, 29), 0, origin),
        Message("ben#0001", "", date(2024, 2, 29), 0, origin),
        Message("ben#0001", "the last", date(2024, 3, 1), 0, origin),
    ]
    assert left_out == {SYSTEM: 1}
    _, cut = messages(TEXT[:-140])
    assert cut == {SYSTEM: 1, DAMAGED: 1}
    joined, _ = messages(TEXT.replace(b"Annex", b"Other") + TEXT)
    assert {message.origin for message in joined[3:]} == {origin}


@pytest.mark.parametrize(
    ("written", "day"),
    [
        ("2024-02-29T23:59:01.5+00:00", date(2024, 2, 29)),
        ("29-Feb-24 11:59 PM", date(2024, 2, 29)),
        ("2/3/2024 11:59 PM", date(2024, 2, 3)),
        ("2/3/2024 11:59\u202fPM", date(2024, 2, 3)),
        ("2/3/2024 11:59 pm", date(2024, 3, 2)),
        ("02/03/2024 23:59", date(2024, 3, 2)),
        ("2.3.24 23:59", date(2024, 3, 2)),
        ("2024. 2. 3. 11:59", date(2024, 2, 3)),
        ("2024/02/03 11:59 PM", date(2024, 2, 3)),
        ("29/02/2567 23:59", date(2024, 2, 29)),
        ("1402/12/10 23:59", None),
        ("\u200f2\u200f/3\u200f/2024 11:59 م", date(2024, 3, 2)),
        ("31/31/2024 23:59", None),
        ("99-Foo-9999 9:99 PM", None),
    ],
)
def test_days_are_read_in_the_forms_of_many_languages(written: str, day: date | None) -> None:
    text = TEXT.decode().replace("2024-02-29 23:59", written)
    table = f"AuthorID,Author,Date,Content,Attachments,Reactions\n{ADA},ada,{written},hello,,\n"
    message, (row,) = messages(text.encode())[0][0], messages(table.encode())[0]
    assert message.day == row.day == day


def package(files: Mapping[str, object], options: ChatOptions | None = None) -> Chat:
    """The chat in a data package with these files."""
    texts = ((path, content if isinstance(content, str) else json.dumps(content)) for path, content in files.items())
    return read_chat(("package.zip", zipped(*texts)), options=options)


ACCOUNT = {"id": str(ADA), "username": "ada", "global_name": "Ada", "relationships": [{"id": "2", "user": {}}]}
CHANNEL = {"id": "381870553235193857", "type": "GUILD_TEXT", "name": "lab"}
GUILD = {"guild": {"id": "81384788765712384", "name": "The Annex"}}
WRITTEN = [{"ID": 1000000000000000007, "Timestamp": "2024-03-01 10:00:00", "Contents": "hi", "Attachments": ""}]


def test_a_data_package_is_read_whatever_its_year_and_language() -> None:
    read = package(
        {
            "Konto/user.json": ACCOUNT,
            "Server/index.json": {},
            "Nachrichten/index.json": {"381870553235193857": "lab in The Annex", "2": None},
            "Nachrichten/c381870553235193857/channel.json": CHANNEL | GUILD,
            "Nachrichten/c381870553235193857/messages.json": WRITTEN,
            "Messages/C1000000000000000001/Channel.json": {"id": "1000000000000000001", "recipients": ["1", "2"]},
            "Messages/C1000000000000000001/Messages.json": [*WRITTEN, {"ID": 8, "Contents": None}],
            "messages/381870553235193858/channel.json": "[" * 100_000,
            "messages/381870553235193858/messages.csv": "ID,Timestamp,Contents,Attachments\r\n"
            '8,2020-01-01 12:00:00.123000+00:00,"old, but said",\r\n',
            "messages/c381870553235193859/channel.json": CHANNEL,
            "messages/c381870553235193859/messages.json": "",
            "messages/c381870553235193850/channel.json": CHANNEL,
        }
    )
    assert read.own
    assert people(read) == [("Ada", ADA, 3)]
    written = WRITTEN[0]["ID"]
    assert list(read.lines()) == [(0, written, "hi"), (0, written, "hi"), (0, 8, "old, but said")]
    assert read.origins == {Origin()}
    assert (read.first, read.last) == (date(2020, 1, 1), date(2024, 3, 1))
    assert read.left_out == {DAMAGED: 1, OTHER_FILES: 7}


def test_the_names_of_columns_take_no_author_s_id_away() -> None:
    table = read_chat(("a.csv", TABLE), options=ChatOptions(text_column="Content", speaker_column="Author"))
    files = {"account/user.json": ACCOUNT, "messages/c381870553235193857/messages.json": WRITTEN}
    own = package(files, ChatOptions(text_column="Contents"))
    assert [person.author_id for person in (*table.speakers, *own.speakers)] == [ADA, BEN, ADA]


@pytest.mark.parametrize(
    "accounts", [["{"], [[1]], [ACCOUNT | {"id": "Ada"}], [{"id": [str(ADA)]}], [ACCOUNT, ACCOUNT | {"id": str(BEN)}]]
)
def test_a_data_package_that_does_not_say_whose_it_is_is_refused(accounts: list[object]) -> None:
    channel = "messages/c381870553235193857"
    messages = {f"{channel}/channel.json": CHANNEL, f"{channel}/messages.json": WRITTEN}
    users = {f"{number}/account/user.json": account for number, account in enumerate(accounts)}
    with pytest.raises(UserError, match="whose it is"):
        package({**users, **messages})


EXPORT = export(entry("one thing"), entry("another", user(BEN, "Ben")), entry("a third", type="Reply"))
CHANGES = st.lists(st.tuples(st.integers(0, 3_000), st.integers(0, 40), st.binary(max_size=9)), max_size=4)


def changed(data: bytes, changes: list[tuple[int, int, bytes]]) -> bytes:
    for start, length, inserted in changes:
        place = start % len(data) if data else 0
        data = data[:place] + inserted.replace(b"\\", b"") + data[place + length :]
    return data


def shown(text: str) -> str:
    return text.replace("\0", "").replace('"', "")


@given(st.sampled_from([EXPORT, TABLE, TEXT]), CHANGES)
def test_no_damage_makes_a_message_that_is_not_in_the_file(data: bytes, changes: list[tuple[int, int, bytes]]) -> None:
    (reader,) = (chat for chat in formats.CHATS if chat.recognises(head_text(data)))
    data = changed(data, changes)
    text = shown(text_file(io.BytesIO(data)).read())
    with contextlib.suppress(UserError):
        assert all(shown(message.text) in text for message in reader.messages(io.BytesIO(data), Counter()))


@given(st.sampled_from(["json", "csv"]), CHANGES, CHANGES)
def test_no_damage_makes_a_message_that_is_not_in_the_package(kind: str, changes: Any, others: Any) -> None:
    table = b"ID,Timestamp,Contents,Attachments\r\n8,2020-01-01 12:00:00,one thing,\r\n9,,another,\r\n"
    data = changed(json.dumps(WRITTEN * 3).encode() if kind == "json" else table, changes)
    files = [
        ("user.json", changed(json.dumps(ACCOUNT).encode(), others)),
        ("channel.json", changed(json.dumps(CHANNEL | GUILD).encode(), others)),
        (f"messages.{kind}", data),
    ]
    text = shown(text_file(io.BytesIO(data)).read())
    with contextlib.suppress(UserError):
        package = Files((f"c381870553235193857/{name}", content) for name, content in files)
        (reader,) = (folder for folder in formats.FOLDERS if folder.recognises(package.paths))
        assert all(shown(message.text) in text for message in reader.messages(package, Counter()))
