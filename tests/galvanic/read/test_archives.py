"""Files in folders and archives: ZIP (as zipfile writes it), gzip and xz."""

import bz2
import contextlib
import gzip
import lzma
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from galvanic.errors import UserError
from galvanic.read import files as module
from galvanic.read.files import Files, files_at
from galvanic.read.formats import read_paths
from tests.galvanic.read.reading import read_text, zipped

WORDS = "The lamp burns, and nobody is there.\n" * 9


def contents(*named: tuple[str, bytes]) -> dict[str, bytes]:
    files = Files(named)
    return {path: files.open(path).read() for path in files.paths}


@pytest.mark.parametrize(
    "pack",
    [
        lambda data: zipped(("a/b.txt", data)),
        lambda data: zipped(("b.txt", data), method=zipfile.ZIP_STORED),
        lambda data: zipped(("__MACOSX/._b.txt", b"\0\0"), (".hidden", "x"), ("empty/", ""), ("b.txt", data)),
        gzip.compress,
        lambda data: gzip.compress(data[:99]) + gzip.compress(data[99:]),
        lzma.compress,
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_text_in_an_archive_is_that_text(pack: Callable[[bytes], bytes], encoding: str) -> None:
    assert read_text(("anything", pack(WORDS.encode(encoding)))) == WORDS


def test_several_texts_are_read_as_one() -> None:
    assert read_text(
        ("a.txt", b"one"), ("b.zip", zipped(("c.txt", "two"), ("d.gz", "three"))), ("e.gz", gzip.compress(b"4"))
    ) == ("one\n\ntwo\n\nthree\n\n4")


def test_no_file_takes_the_place_of_another() -> None:
    with pytest.warns(UserWarning, match="Duplicate name"):
        twice = zipped(("chat.txt", "3"), ("chat.txt", "4"))
    given = [("a.zip", zipped(("chat.txt", "1"))), ("a.zip", zipped(("chat.txt", "2"))), ("b.zip", twice)]
    found = contents(*given, ("b.zip/chat.txt", b"5"), ("a.txt", b"6"), ("a.txt", b"7"))
    assert sorted(found.values()) == [b"1", b"2", b"3", b"4", b"5", b"6", b"7"]


@pytest.mark.parametrize(
    "name", ["../../x", "/etc/x", "C:\\x", "a\\..\\x", "ä/漢/x", "`@everyone`\n", "\u202ex", "a" * 60_000]
)
def test_a_name_is_only_a_name(name: str, tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(zipped((name, WORDS)))
    assert read_paths([path])[0] == WORDS
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.zip"]
    (shown,) = Files(files_at([path])).paths
    assert not set(shown) & {"`", "\n"}


def test_names_on_the_disk_may_be_no_unicode(tmp_path: Path) -> None:
    path = tmp_path / "caf\udce9.txt"
    path.write_text(WORDS)
    text, info, _ = read_paths([path])
    assert (text, info.title) == (WORDS, "caf?.txt")


def test_a_folder_is_its_files_without_the_hidden_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, data in {"b/2.txt": b"two", "a.txt": b"one", ".git/x": b"no", "b/.x": b"no", "c.jpg": bytes(99)}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(data)
    (tmp_path / "gone").symlink_to(tmp_path / "nowhere")
    monkeypatch.chdir(tmp_path)
    text, info, _ = read_paths([Path()])
    assert (text, info.title) == ("one\n\ntwo", tmp_path.name)


PACKED = zipped(("a.txt", WORDS))
BOMB = b"Words of a lamp.\n" * 2_000_000


@pytest.mark.parametrize(
    "data",
    [
        gzip.compress(BOMB, mtime=0),
        lzma.compress(BOMB),
        zipped(("a.txt", BOMB)),
        zipped(*((f"{number}.txt", BOMB[:200_000]) for number in range(30))),
        zipped(*((f"{number}.txt", BOMB[:40_000]) for number in range(99))),
    ],
    ids=["gz", "xz", "zip", "members", "small members"],
)
def test_a_bomb_is_refused_before_it_takes_the_memory(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    monkeypatch.setattr(module, "UNPACKED_LIMIT", 1_000_000)
    tracemalloc.start()
    try:
        with pytest.raises(UserError, match="would come out of that archive"):
            read_text(("bomb", data))
        assert tracemalloc.get_traced_memory()[1] < 15_000_000  # xz looks back 8 MB
    finally:
        tracemalloc.stop()


def test_what_is_read_several_times_counts_once(monkeypatch: pytest.MonkeyPatch) -> None:
    text = ("ä" * 50 + "\n").encode("cp1252") * 16_000
    monkeypatch.setattr(module, "UNPACKED_LIMIT", len(text))
    assert len(read_text(("a.gz", gzip.compress(text)))) == len(text)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_methods_that_unpack_all_at_once_are_refused(method: int) -> None:
    with pytest.raises(UserError, match="packed in an unusual way"):
        read_text(("a.zip", zipped(("a.txt", WORDS), method=method)))


def test_a_locked_archive_is_refused() -> None:
    data = bytearray(zipped(("a.txt", WORDS)))
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(mark) + place] |= 1  # encrypted
    with pytest.raises(UserError, match=r"`a\.zip` is locked with a password"):
        read_text(("a.zip", bytes(data)))


@pytest.mark.parametrize(
    "data",
    [
        *(zipped(), zipped(("a/", ""), (".DS_Store", "x")), zipped(("a.txt", "")), gzip.compress(b"", mtime=0)),
        *(zipped(("a.zip", PACKED)), zipped(("a.zip", PACKED), ("b.zip", PACKED)), gzip.compress(PACKED, mtime=0)),
    ],
)
def test_nothing_in_an_archive_and_archives_in_archives_are_refused(data: bytes) -> None:
    with pytest.raises(UserError) as caught:
        read_text(("a.zip", data))
    assert caught.value.remedy


ARCHIVES = [
    zipped(("a.txt", WORDS), ("b/ä.txt", WORDS * 50)),
    zipped(("a.txt", WORDS), method=zipfile.ZIP_STORED),
    gzip.compress(WORDS.encode(), mtime=0),
    lzma.compress(WORDS.encode()),
    b"PK\x03\x04" + bytes(99),
    bz2.compress(WORDS.encode()),
]


@given(
    st.sampled_from(ARCHIVES),
    st.integers(0, 600),
    st.binary(max_size=4),
    st.integers(0, 4),
    st.integers(0, 600) | st.none(),
)
def test_a_damaged_archive_is_refused_or_read(
    data: bytes, place: int, damage: bytes, cut: int, end: int | None
) -> None:
    data = (data[:place] + damage + data[place + cut :])[:end]
    with contextlib.suppress(UserError):
        assert read_text(("a.zip", data))
