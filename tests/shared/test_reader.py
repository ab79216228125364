"""The process that reads attached files: what it answers, and what it refuses."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from galvanic.errors import UserError
from galvanic.read.chat import ChatOptions
from galvanic.read.text import slugify
from shared.corpora import reader
from shared.corpora.lines import unpack_page
from shared.corpora.reader import Answer, ChatFacts, ReadRequest
from tests.exports import channel_export, telegram

Read = Callable[..., Answer]
BODY = "The lamp in the hall went out, and nobody lit it again. " * 40
GUILD = 1297000000000000001


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Read files by name, as the bot asks for it in a server."""

    def ask(files: dict[str, bytes], **options: Any) -> Answer:
        paths = [tmp_path / f"file-{number}" for number in range(len(files))]
        for path, data in zip(paths, files.values(), strict=True):
            path.write_bytes(data)
        fields: dict[str, Any] = {
            "files": tuple(zip(files, paths, strict=True)),
            "options": ChatOptions(),
            "source": "upload",
            "guild_id": GUILD,
            "guild_name": "The Workshop",
            "user_id": 5,
            "most_bytes": 1_000_000,
        }
        return reader.read(ReadRequest(**(fields | options)), tmp_path)

    return ask


def chat_of(answer: Answer) -> ChatFacts:
    assert answer.chat is not None
    return answer.chat


def test_a_text(read: Read, tmp_path: Path) -> None:
    info = read({"Übles Tagebuch (v2).txt": BODY.encode("utf-16")}).info
    assert info is not None
    assert (info.name, info.title, info.source) == ("ubles-tagebuch-v2", "Übles Tagebuch (v2)", "upload")
    assert (tmp_path / reader.TEXT).read_text("utf-8") == BODY


@pytest.mark.parametrize("filename", ["", "???.txt", "../../x/", ".txt"])
def test_a_strange_file_name_still_gives_a_name(read: Read, filename: str) -> None:
    info = read({filename: BODY.encode()}).info
    assert info is not None
    assert slugify(info.name) == info.name
    assert info.name
    assert info.title


def test_what_comes_out_counts(read: Read) -> None:
    with pytest.raises(UserError, match="42 characters, and at least"):
        read({"a.txt": b"x" * 42})
    with pytest.raises(UserError, match=r"more than 1 MB .*operator can train larger files"):
        read({"a.txt": b"words " * 200_000})
    chat = telegram("Vera", "Paul", messages=20_000)
    with pytest.raises(UserError, match=r"more than 1 MB .*--only"):
        read({"a.json": chat})
    assert chat_of(read({"a.json": telegram("Vera", "Paul", messages=9_000)})).messages == 9_000


def test_a_chat_of_short_messages_has_no_more_than_the_memory_can_hold(read: Read) -> None:
    chat = "".join(f"01/02/2024, 10:00 - {name}: ok\n" for name in ("Vera", "Paul") * 30_000).encode()
    with pytest.raises(UserError, match="A message counts as 20 bytes at least"):
        read({"a.txt": chat})
    assert chat_of(read({"a.txt": chat}, most_bytes=1_200_000)).messages == 60_000


def test_the_lines_of_a_chat_are_in_pages(read: Read, tmp_path: Path) -> None:
    chat = chat_of(read({"a.json": telegram("Vera", "Paul", messages=2_500)}))
    pages = [unpack_page(path.read_bytes()) for path in sorted(tmp_path.glob(reader.PAGES))]
    assert [len(page) for page in pages] == [1_000, 1_000, 500]
    assert [line.author_id for line in pages[0][:3]] == [0, 1, 0]
    assert pages[0][0].text.startswith("Vera says")
    listed = [(person.number, person.name, person.messages) for person in chat.listed]
    assert listed == [(0, "Vera", 1_250), (1, "Paul", 1_250)]


def test_messages_of_this_server_keep_their_ids(read: Read, tmp_path: Path) -> None:
    chat = chat_of(read({"a.json": channel_export(GUILD, 7, {11: "ada", 12: "ben"}, first_id=100)}))
    assert (chat.channel_id, chat.last_id) == (7, 199)
    lines = unpack_page(next(tmp_path.glob(reader.PAGES)).read_bytes())
    assert [(line.message_id, line.author_id) for line in lines[:2]] == [(100, 11), (101, 12)]


def test_no_consent_can_be_checked_of_what_is_mixed_or_has_no_ids(read: Read) -> None:
    here = functools.partial(channel_export, GUILD, 7, {11: "ada"})
    elsewhere = channel_export(5, 8, {11: "ada"})
    assert chat_of(read({"a.json": elsewhere})).channel_id == 0
    with pytest.raises(UserError, match="not of one channel alone"):
        read({"a.json": here(), "b.json": elsewhere})
    with pytest.raises(UserError, match="not of one channel alone"):
        read({"a.json": here(), "b.json": channel_export(GUILD, 8, {11: "ada"})})
    with pytest.raises(UserError, match="--only"):
        read({"a.json": here()}, options=ChatOptions(only=("ada",)))
    text = f"{'=' * 62}\nGuild: the workshop\nChannel: Text / lab\n{'=' * 62}\n\n"
    text += "".join(f"[2024-01-{1 + n % 28:02} 10:00] ada\nThe lamp went out, {n} times.\n\n" for n in range(60))
    for files in (
        {"a.txt": text.encode()},
        {"a.txt": text.encode(), "b.json": here()},
        {"a.json": channel_export(GUILD, 0, {11: "ada"})},
        {"a.json": channel_export(GUILD, 7, {11: "ada", 0: "somebody"})},
    ):
        with pytest.raises(UserError, match=r"These are messages of this server.*JSON"):
            read(files)


def test_people_of_a_table_are_to_be_asked_about(read: Read) -> None:
    def rows(people: int) -> bytes:
        lines = (
            f'"{10**17 + n % people}","ada{n % people}","2024-01-01","The lamp went out, {n} times.","",""'
            for n in range(200)
        )
        return "\r\n".join(("AuthorID,Author,Date,Content,Attachments,Reactions", *lines)).encode()

    chat = chat_of(read({"us.json": telegram(*map(str, range(200)), messages=400), "a.csv": rows(2)}))
    assert set(chat.author_ids) == {10**17, 10**17 + 1}, "however many others have no ids"
    assert chat_of(read({"a.csv": rows(2)}, options=ChatOptions(only=("ada1",)))).author_ids == (10**17 + 1,)
    assert len(chat_of(read({"a.csv": rows(150)})).author_ids) == reader.MOST_ASKED + 1
