"""Files on this machine, read into memory or in parts."""

from __future__ import annotations

import hashlib
import os
import random
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.corpora import decode_text, files, from_file
from shared.errors import UserError

SCRIPTS = "Ein „schöner“ Tag.\r\nUn café déjà vu €5\rПривет, мир! 漢字 👍🏽\n\n"
RUSSIAN = "".join(random.Random(1).choices("абвгдежзиклмнопрстуфхцчшщыэюя     \n", k=3_000))


@pytest.fixture
def streamed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "STREAM_ABOVE", 0)


def read(source: str | Path) -> str:
    """The text that was found, with line ends as the recipes take them."""
    if isinstance(source, str):
        return source
    return source.read_bytes().decode("utf-8").removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")


@pytest.mark.usefixtures("streamed")
@pytest.mark.parametrize(
    "data",
    [
        SCRIPTS.encode(),
        SCRIPTS.encode("utf-8-sig"),
        SCRIPTS.encode("utf-16"),
        SCRIPTS.encode("utf-32"),
        ("\ufeff" + SCRIPTS).encode("utf-16-be"),
        ("plain words " * 50).encode("utf-16-le"),
        ("the word is cliché, “so” it’s €5. " * 90).encode("cp1252"),
        b"plain words with one odd byte \x81 among them " * 5,
        RUSSIAN.encode("cp1251"),
        SCRIPTS.encode()[:-5],  # cut off within a character
        b"the word is clich\xe9",
        b"not UTF-8: " + b"\xed\xa0\x80 " * 9,
    ],
)
def test_a_large_file_is_what_it_would_be_in_memory(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "My diary.txt"
    path.write_bytes(data)
    text, info = from_file(path)
    source, described = from_file(path, tmp_path / "work")
    assert text == decode_text(data, path.name)
    assert isinstance(source, Path)
    assert read(source) == text
    assert described == info
    assert (info.name, info.title, info.source) == ("my-diary", "My diary.txt", "file")
    assert info.chars == len(text)
    assert info.sha256 == hashlib.sha256(text.encode()).hexdigest()
    try:
        data.decode()
    except UnicodeDecodeError:
        assert source == tmp_path / "work" / "corpus.txt"
    else:  # what is UTF-8 already is not written again
        assert (source == path) == (b"\0" not in data)


@pytest.mark.usefixtures("streamed")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.one_of(st.binary(max_size=300), st.text(max_size=200).map(str.encode)))
def test_any_file_gives_the_same_text_or_refusal_either_way(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(data)
    try:
        text, info = from_file(path)
    except UserError:
        with pytest.raises(UserError):
            from_file(path, tmp_path / "work")
        return
    source, described = from_file(path, tmp_path / "work")
    assert described == info
    assert read(source).replace("\0", "") == text


def test_small_files_are_read_into_memory(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("words " * 100)
    assert from_file(path, tmp_path / "work")[0] == "words " * 100


def test_files_far_larger_than_an_upload_are_taken_up_to_a_limit(tmp_path: Path) -> None:
    path = tmp_path / "large.txt"
    path.write_bytes(b"a line of words\n" * 300_000)
    assert from_file(path, tmp_path)[0] == path
    os.truncate(path, files.LIMIT + 1)  # sparse: nothing is written
    with pytest.raises(UserError, match=r"2,000 MB, and the limit is 2,000 MB"):
        from_file(path, tmp_path)


@pytest.mark.usefixtures("streamed")
@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "is empty|white space"),
        (b" \n" * 50, "is empty|white space"),
        (b"%PDF-1.7 words", "a PDF"),
        (b"abc\0\0\0def" * 40, "a binary file"),
        (bytes(range(1, 32)) * 50, "a binary file"),
        (b"\xff\xfe" + "abc".encode("utf-16-le") + b"\x00\xdc", "says that it is UTF-16-LE"),
    ],
)
def test_what_is_no_text_is_refused(tmp_path: Path, data: bytes, problem: str) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(data)
    for workdir in (None, tmp_path / "work"):
        with pytest.raises(UserError, match=problem):
            from_file(path, workdir)


def test_what_cannot_be_read_is_refused(tmp_path: Path) -> None:
    for path, reason in ((tmp_path / "none.txt", "No such file"), (tmp_path, "Is a directory")):
        with pytest.raises(UserError, match=f"cannot be read: {reason}"):
            from_file(path, tmp_path / "work")
