"""Files of several formats together, and files that are made to do harm."""

import codecs
import contextlib
import gzip
import json
import random
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from galvanic.errors import UserError
from galvanic.read import text as text_module
from galvanic.read.chat import DAMAGED, OTHER_FILES, Chat, ChatOptions
from galvanic.read.files import Files
from galvanic.read.formats import chat_text, read_files, read_paths
from galvanic.read.text import Text
from tests.galvanic.read.reading import lines

WHATSAPP = "[29.05.19, 15:04:11] Ada: Good day\n[29.05.19, 15:05:12] Ben: Good night\n"
SIGNAL = "[2019-05-29, 15:04] Cleo: Hello there\n[2019-05-29, 15:05] Me: Hello you\n"
TELEGRAM_MESSAGE = {"type": "message", "date": "2024-01-15T10:30:00", "from": "Dan", "text": "Hm"}
TELEGRAM = json.dumps({"name": "Dan", "type": "personal_chat", "id": 5, "messages": [TELEGRAM_MESSAGE]})
IRC = "[10:11] <Ada> Good day\n[10:12] *** Ben joins\n"


def read(*named: tuple[str, str | bytes], options: ChatOptions | None = None) -> Chat | Text:
    encoded = [(name, data.encode() if isinstance(data, str) else data) for name, data in named]
    return read_files(Files(encoded), options or ChatOptions())


def chat_of(*named: tuple[str, str | bytes], options: ChatOptions | None = None) -> Chat:
    chat = read(*named, options=options)
    assert isinstance(chat, Chat)
    return chat


def test_several_chats_are_read_as_one() -> None:
    chat = chat_of(("a", WHATSAPP), ("b", TELEGRAM), ("c", WHATSAPP.replace("Good", "Bad")))
    assert lines(chat) == ["Ada: Good day", "Ben: Good night", "Dan: Hm", "Ada: Bad day", "Ben: Bad night"]
    assert chat.format == "a WhatsApp chat and a Telegram export"
    assert (str(chat.first), str(chat.last)) == ("2019-05-29", "2024-01-15")


def test_other_files_beside_a_chat_are_counted() -> None:
    chat = chat_of(("_chat.txt", WHATSAPP), ("notes.txt", "My notes."), ("photo.jpg", bytes(99)), ("empty", ""))
    assert lines(chat) == ["Ada: Good day", "Ben: Good night"]
    assert chat.left_out == {OTHER_FILES: 3}


def test_files_without_a_text_beside_one_are_counted() -> None:
    text = read(("notes.txt", "My notes."), ("photo.jpg", bytes(99)), ("empty", ""), ("blank", " \n"))
    assert isinstance(text, Text)
    assert (text.body, text.info("notes", "Notes", "upload").notes) == (
        "My notes.",
        ("Left out: 3 files without text.",),
    )


@pytest.mark.parametrize("data", [WHATSAPP, TELEGRAM])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be"])
def test_a_chat_in_any_encoding_and_under_any_name_is_a_chat(data: str, encoding: str) -> None:
    mark = codecs.BOM_UTF16_BE if encoding == "utf-16-be" else b""
    assert lines(chat_of(("notes.csv", mark + data.encode(encoding)))) == lines(chat_of(("x", data)))


WORDS = "старая лодка лежала на берегу и никто не помнил чья она была вечером рыбаки пели песни у огня"
RUSSIAN = "".join(
    f"[10:11] <Иван> {' '.join(random.Random(number).sample(WORDS.split(), 9))}\n" for number in range(99)
)


@pytest.mark.parametrize("encoding", ["cp1251", "koi8-r"])
def test_a_chat_in_an_old_encoding_is_read_as_a_text_is(encoding: str) -> None:
    assert lines(chat_of(("log", RUSSIAN.encode(encoding)))) == lines(chat_of(("log", RUSSIAN)))


def test_a_log_may_have_lines_in_two_encodings() -> None:
    log = "[10:11] <Ada> café olé\n"
    chat = chat_of(("log", log.encode() * 3 + log.encode("cp1252") * 2))
    assert lines(chat) == ["Ada: café olé"] * 5


@pytest.mark.parametrize("streamed", [False, True])
def test_options_choose_what_is_learned_of_a_chat(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, streamed: bool
) -> None:
    if streamed:
        monkeypatch.setattr(text_module, "STREAM_ABOVE", 0)
    path = tmp_path / "My chat.txt"
    path.write_text(WHATSAPP)
    source, info, chat = read_paths([path], tmp_path / "work", ChatOptions(without=("ben",), speakers=True))
    text = source.read_text() if isinstance(source, Path) else source
    assert chat is not None
    assert text == f"{chat.invented[0]}: Good day\n"
    assert (info.name, info.title, info.chars, info.hard_wrapped) == ("my-chat", "My chat.txt", len(text), False)
    assert isinstance(source, Path) == streamed


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (ChatOptions(only=("Ada",)), "`--only` is for chats"),
        (ChatOptions(without=("Ada",)), "`--without` is for chats"),
        (ChatOptions(speakers=True), "`--speakers` is for chats"),
        (ChatOptions(speaker_column="who"), "`--speaker-column` needs `--text-column`"),
        (ChatOptions(text_column="what"), "no column `what`"),
    ],
)
def test_what_is_wanted_of_a_chat_is_refused_for_a_text(tmp_path: Path, options: ChatOptions, problem: str) -> None:
    path = tmp_path / "book.txt"
    path.write_text("The lamp burns.\nNobody is there.\n")
    with pytest.raises(UserError, match=problem):
        read_paths([path], None, options)


def test_all_files_are_tables_if_columns_are_named() -> None:
    options = ChatOptions(text_column="what", speaker_column="who")
    tables: list[tuple[str, str | bytes]] = [
        ("a.csv", "who,what\nAda,hi\n"),
        ("b.jsonl", '{"who": "Ben", "what": "ho"}\n'),
        ("c.png", bytes(range(256))),
    ]
    chat = chat_of(*tables, options=options)
    assert lines(chat) == ["Ada: hi", "Ben: ho"]
    assert chat.left_out == {OTHER_FILES: 1}


@pytest.mark.parametrize("head", [b"{\\rtf1", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"])
def test_a_document_that_cannot_be_read_is_refused_among_texts(head: bytes) -> None:
    with pytest.raises(UserError, match=r"`b\.doc` looks like"):
        read(("a.txt", "Words."), ("b.doc", head + bytes(99)))


def test_files_without_a_text_are_refused() -> None:
    for files in ([("a", ""), ("b", bytes(99))], [("a", bytes(range(256)) * 9)], [("a", " \n")], []):
        with pytest.raises(UserError):
            read(*files)


SIZE = 300_000
HOSTILE = {
    "line": b"a" * SIZE,
    "arrays": b"[" * 10_000,
    "more arrays": b"[" * SIZE,
    "objects": b'{"a":' * SIZE,
    "digits": b"[" + b"1" * SIZE + b"]",
    "a digit's object": b'{"text": ' + b"1" * SIZE + b"}",
    "escapes": b'{"text": "' + b"\\" * SIZE,
    "tags": b"<" * SIZE,
    "comments": b"<!-- " * SIZE,
    "quotes": b'"' * SIZE,
    "delimiters": b",;\t|" * SIZE,
    "brackets": b"[29.05.19, 15:04:11] " * SIZE,
    "surrogates": "\ud800".encode("utf-8", "surrogatepass") * SIZE,
    "marks": codecs.BOM_UTF16_LE * SIZE,
    "a page's encoding": b"<meta charset=" + b" " * SIZE,
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize(
    "before", ["", WHATSAPP, SIGNAL, TELEGRAM[:-2] + ",", '{"text": "hi"}\n', "text,who\nhi,Ada\n"]
)
@pytest.mark.parametrize("options", [ChatOptions(), ChatOptions(text_column="text")], ids=["none", "columns"])
def test_a_hostile_file_is_read_or_refused(data: bytes, before: str, options: ChatOptions) -> None:
    with contextlib.suppress(UserError):
        content = read(("file", before.encode() + data[:SIZE]), options=options)
        if isinstance(content, Chat):
            assert len(list(content.lines())) <= 5 or not content.left_out[DAMAGED]
            assert chat_text(content, options).chars <= 2 * SIZE


PIECES = st.sampled_from([WHATSAPP, SIGNAL, TELEGRAM, IRC, "<html>", "%PDF-", "PK\x03\x04", "[", "{", "text,who\n"])


@settings(max_examples=300)
@given(
    st.lists(st.tuples(PIECES | st.text(max_size=9), st.sampled_from(["utf-8", "utf-16", "cp1252"])), max_size=5),
    st.binary(max_size=30),
    st.integers(0, 300) | st.none(),
    st.sampled_from([ChatOptions(), ChatOptions(text_column="text", speaker_column="who"), ChatOptions(speakers=True)]),
)
def test_any_bytes_are_read_or_refused(
    parts: list[tuple[str, str]], damage: bytes, end: int | None, options: ChatOptions
) -> None:
    data = b"".join(part.encode(encoding, "replace") for part, encoding in parts) + damage
    files = [("a", data[:end]), ("b.gz", gzip.compress(data))]
    for named in (files[:1], files[1:], files):
        with contextlib.suppress(UserError):
            content = read(*named, options=options)
            if isinstance(content, Chat):
                content = chat_text(content, options)
            assert content.chars
