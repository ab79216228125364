"""Tables and JSON with named columns: CSV as of RFC 4180 and spreadsheets, JSON lines as of https://jsonlines.org."""

import contextlib
import csv
import io
import json
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, strategies as st

from galvanic.errors import UserError
from galvanic.read.chat import DAMAGED, WORDLESS, Chat, ChatOptions
from galvanic.read.encodings import head_text
from galvanic.read.files import Files
from galvanic.read.formats import read_files
from galvanic.read.tables import table
from tests.galvanic.read.reading import lines, read_chat, read_text

ROWS = [("Ada", "Good day", "1"), ("Ben", 'He said "no",\nand; left', "2"), ("Ada", "Good\tnight", "3")]
LINES = ["Ada: Good day", 'Ben: He said "no", and; left', "Ada: Good night"]


def written(delimiter: str, **options: Any) -> str:
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter, **options).writerows([("who", "what it says", "n"), *ROWS])
    return text.getvalue()


def read(data: bytes, text: str = "what it says", speaker: str = "who") -> Chat:
    return read_chat(("data.bin", data), options=ChatOptions(text_column=text, speaker_column=speaker))


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
def test_any_delimiter_and_encoding_gives_the_same_lines(delimiter: str, encoding: str, quoting: int) -> None:
    chat = read(written(delimiter, quoting=quoting).encode(encoding))
    assert lines(chat) == LINES
    assert not chat.left_out


@pytest.mark.parametrize(
    "data",
    [
        "\n".join(json.dumps({"a": {"who": who}, "what it says": what, "n": n}) for who, what, n in ROWS),
        *[
            before + json.dumps([{"a": {"who": who}, "what it says": what} for who, what, n in ROWS], indent=2)
            for before in ("", "window.YTD.tweets.part0 = ")
        ],
        "\n\n ".join(json.dumps({"a.who": who, "what it says": what}, ensure_ascii=False) for who, what, n in ROWS),
    ],
    ids=["lines", "array", "array of X", "a name with a dot"],
)
def test_json_gives_the_same_lines(data: str) -> None:
    assert lines(read(data.encode(), speaker="a.who")) == LINES


def test_spaces_around_the_names_of_columns_do_not_matter() -> None:
    assert lines(read(b"who , what it says \nAda , Hi\n")) == ["Ada: Hi"]


def test_excels_line_about_the_delimiter_is_skipped() -> None:
    assert lines(read(b"sep=;\r\nwho;what it says\r\nAda;Hi\r\n")) == ["Ada: Hi"]


def test_a_table_without_a_column_of_speakers_has_one_speaker() -> None:
    chat = read(written(",").encode(), speaker="")
    assert [speaker.messages for speaker in chat.speakers] == [3]


@pytest.mark.parametrize("data", [written(","), json.dumps([{"who": "Ada", "what it says": "Hi", "n": {"m`": 1}}])])
def test_a_column_that_is_not_there_is_refused_with_those_that_are(data: str) -> None:
    with pytest.raises(UserError, match=r"no column `text` in `data") as caught:
        read(data.encode(), "text")
    assert "`who`, `what it says`" in caught.value.remedy
    with pytest.raises(UserError, match="no column `name`"):
        read(data.encode(), speaker="name")


def test_fields_may_be_left_out_or_be_of_another_kind() -> None:
    rows = [{"what it says": None}, {"what it says": 5}, {"who": ["Ada"], "what it says": "hi"}, [], 5]
    rows += [{"what it says": "by nobody"}, {"who": 7, "what it says": "by a number"}]
    for data in (json.dumps(rows), "\n".join(map(json.dumps, rows))):
        chat = read(data.encode())
        assert lines(chat) == ["unnamed: by nobody", "7: by a number"]
        assert chat.left_out == {WORDLESS: 1, DAMAGED: 4}


@pytest.mark.parametrize(
    "row", [b'"' + b"a" * 200_000 + b'"', b"a,b", b"a,b,c,d", b"a" * 3_000_000], ids=["cell", "few", "many", "line"]
)
def test_damaged_rows_are_counted(row: bytes) -> None:
    chat = read(b"who,what it says,n\nAda,before,1\n" + row + b"\nAda,after,1\n")
    assert lines(chat) == ["Ada: before", "Ada: after"]
    assert chat.left_out[DAMAGED] >= 1


@pytest.mark.parametrize("line", ["[" * 100_000, "1" * 10_000, '{"a": ' * 100_000, "{" + "1" * 3_000_000])
def test_damaged_lines_of_json_are_counted(line: str) -> None:
    row = '{"who": "Ada", "what it says": "hi"}\n'
    chat = read((row + line + "\n" + row).encode())
    assert lines(chat) == ["Ada: hi", "Ada: hi"]
    assert chat.left_out[DAMAGED] >= 1


@pytest.mark.parametrize("data", [b"who,what it says\n", b"{}", b"[]", b'{"a":\n1}', b"\n\n"])
def test_a_table_without_rows_is_refused(data: bytes) -> None:
    with pytest.raises(UserError):
        read(data)


def test_json_whose_fields_are_not_named_is_refused_and_a_wrong_name_lists_them() -> None:
    row = '{"author": {"name": "Ada"}, "text": "hi", "`x": 1}'
    for data in (f"{row}\n{row}\n", f"\n[ {row},\n{row}]", f"window.YTD.tweets.part0 = [ {row} ]"):
        files = Files([("data.txt", data.encode())])
        with pytest.raises(UserError, match=r"data \(JSON\)") as caught:
            read_files(files, ChatOptions())
        assert "--text-column NAME" in caught.value.remedy
        with pytest.raises(UserError) as caught:
            read_files(files, ChatOptions(text_column="NAME"))
        assert "`author.name`, `text`, `'x`" in caught.value.remedy


def test_one_json_object_is_refused_and_its_list_is_read() -> None:
    messages = [{"who": "Ada", "what it says": "hi"}]
    with pytest.raises(UserError, match=r"`data\.bin` holds no array of JSON objects") as caught:
        read(json.dumps({"title": "us", "messages": messages}, indent=2).encode())
    assert "jq .messages" in caught.value.remedy
    assert lines(read(json.dumps(messages, indent=2).encode())) == ["Ada: hi"]


def test_a_table_whose_columns_are_not_named_is_a_text() -> None:
    text = written(",", lineterminator="\n")
    assert read_text(("data.csv", text.encode())) == text


PARTS = st.sampled_from(["what it says", "who", ",", ";", '"', "\n", "\t", "hi", "{", "}", "[", ":", "\\", "é"])


@given(st.lists(PARTS | st.text(max_size=3), max_size=40).map("".join) | st.binary(max_size=99).map(repr))
def test_no_row_is_not_in_the_file(text: str) -> None:
    data = text.encode("utf-8", "surrogatepass")
    with contextlib.suppress(UserError):  # there is no column of that name
        for message in table(
            "a", ChatOptions(text_column="what it says", speaker_column="who"), io.BytesIO(data), Counter()
        ):
            words = message.text.replace('"', " ").split()
            assert all(word in head_text(data).replace('""', '"') or "\\u" in text for word in words)
