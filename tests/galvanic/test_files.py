"""Files on this machine, read into memory or in parts."""

import codecs
import hashlib
import os
import random
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from galvanic.errors import UserError
from galvanic.read import formats, text as reading
from galvanic.read.formats import read_paths
from galvanic.read.text import decode_text

SCRIPTS = "Ein „schöner“ Tag.\r\nUn café déjà vu €5\rПривет, мир! 漢字 👍🏽\n\n"
RUSSIAN = "".join(random.Random(1).choices("абвгдежзиклмнопрстуфхцчшщыэюя     \n", k=3_000))


@pytest.fixture
def streamed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "STREAM_ABOVE", 0)


def read(source: str | Path) -> str:
    """The text that was found, with line ends as the recipes take them."""
    if isinstance(source, str):
        return source
    return codecs.utf_8_decode(source.read_bytes())[0].removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")


@pytest.mark.usefixtures("streamed")
@pytest.mark.parametrize(
    "data",
    [
        SCRIPTS.encode(),
        SCRIPTS.encode("utf-8-sig"),
        SCRIPTS.encode("utf-16"),
        ("\ufeff" + SCRIPTS).encode("utf-16-be"),
        ("the word is cliché, “so” it’s €5. " * 90).encode("cp1252"),
        b"plain words with one odd byte \x81 among them " * 5,
        RUSSIAN.encode("cp1251"),
        SCRIPTS.encode()[:-5],  # cut off within a character
        b"not UTF-8: " + b"\xed\xa0\x80 " * 9,
    ],
)
def test_a_large_file_is_what_it_would_be_in_memory(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "My diary.txt"
    path.write_bytes(data)
    text, info, _ = read_paths([path])
    source, described, _ = read_paths([path], tmp_path / "work")
    assert text == decode_text(data, path.name)
    assert isinstance(source, Path)
    assert read(source) == text
    assert described == info
    assert (info.name, info.title, info.source) == ("my-diary", "My diary.txt", "file")
    assert info.chars == len(text)
    assert info.sha256 == hashlib.sha256(text.encode()).hexdigest()
    assert source == tmp_path / "work" / "corpus.txt"


@pytest.mark.usefixtures("streamed")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.one_of(st.binary(max_size=300), st.text(max_size=200).map(str.encode)))
def test_any_file_gives_the_same_text_or_refusal_either_way(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(data)
    try:
        text, info, _ = read_paths([path])
    except UserError:
        with pytest.raises(UserError):
            read_paths([path], tmp_path / "work")
        return
    source, described, _ = read_paths([path], tmp_path / "work")
    assert described == info
    assert read(source).replace("\0", "") == text
    assert text.strip()
    assert not set(text) & {"\0", "\r"}


@pytest.mark.usefixtures("streamed")
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_book_comes_without_its_header_and_licence(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "library.txt"
    one = "The Project Gutenberg eBook of X\n\n*** START OF THE PROJECT GUTENBERG EBOOK X ***\n\n{}\n\n"
    one += "*** END OF THE PROJECT GUTENBERG EBOOK X ***\n\nThe licence.\n"
    path.write_text(one.format("Words. " * 99_000), encoding)
    text, info, _ = read_paths([path])
    source, described, _ = read_paths([path], tmp_path / "work")
    assert text == "Words. " * 98_999 + "Words."
    assert read(source) == text
    assert described == info
    assert (info.title, info.chars) == ("library.txt", len(text))
    assert info.licence == "From Project Gutenberg, gutenberg.org."
    assert info.notes == (f"Left out: Project Gutenberg's header and licence, {info.left_out:,} characters.",)
    assert info.left_out == len(path.read_text(encoding)) - len(text)


JSON = '[{"author": "ada", "text": "hello \\"you\\"", "likes": -1.5e3, "seen": null}]'
FEED = "<!-- a feed -->\n<?xml version='1.0'?>\n<rss><channel><title>News</title></channel></rss>"


@pytest.mark.usefixtures("streamed")
@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (JSON, "JSON"),
        (JSON[1:-1] + "\n" + JSON[1:-1], "JSON"),
        ("{\n" + '  "text": "' + "a long text " * 9_000 + '"\n}', "JSON"),
        (FEED, "XML"),
    ],
)
def test_what_is_made_for_programs_is_refused_by_what_is_in_it(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "novel.txt"
    path.write_text("\n " + text)
    for workdir in (None, tmp_path / "work"):
        with pytest.raises(UserError, match=problem) as caught:
            read_paths([path], workdir)
        assert caught.value.remedy


def test_files_far_larger_than_an_upload_are_taken_up_to_a_limit(tmp_path: Path) -> None:
    path = tmp_path / "large.txt"
    path.write_bytes(b"a line of words\n" * 300_000)
    assert read_paths([path], tmp_path)[0] == tmp_path / "corpus.txt"
    os.truncate(path, formats.LIMIT + 1)  # sparse: nothing is written
    with pytest.raises(UserError, match=r"2,000 MB, and 2,000 MB is the most"):
        read_paths([path], tmp_path)


def test_what_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be read: No such file"):
        read_paths([tmp_path / "none.txt"], tmp_path / "work")
    with pytest.raises(UserError, match="There is no file to read"):
        read_paths([tmp_path], tmp_path / "work")
    with pytest.raises(UserError, match=f"^{os.devnull} cannot be read: it is no file"):
        read_paths([tmp_path, Path(os.devnull)])
