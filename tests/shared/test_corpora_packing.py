"""Texts on their way through Redis."""

import zlib

import pytest
from hypothesis import given, strategies as st

from galvanic.errors import UserError
from galvanic.units import MEGABYTE
from shared.corpora.corpus import pack, unpack, unpacked_limit
from shared.settings import Settings


@given(st.text())
def test_what_is_packed_comes_out(text: str) -> None:
    assert unpack(pack(text), len(text.encode())) == text


def test_the_limit_is_the_last_length_accepted() -> None:
    assert unpack(pack("a" * 1000), 1000) == "a" * 1000
    with pytest.raises(UserError, match="longer than this worker accepts"):
        unpack(pack("a" * 1001), 1000)
    with pytest.raises(UserError, match="longer"):
        unpack(zlib.compress(bytes(50_000_000), 9), 10_000)


@pytest.mark.parametrize(
    "data", [b"", b"not zlib", pack("words " * 100)[:-5], pack("words") + b"more", zlib.compress(b"\xff\xfe\xfd")]
)
def test_damaged_data_is_said_to_be_damaged(data: bytes) -> None:
    with pytest.raises(UserError, match="damaged"):
        unpack(data, 10_000)


@pytest.mark.parametrize(
    ("text", "encoding"), [("€" * 1000, "cp1252"), ("水" * 1000, "utf-16-le"), ("é" * 9, "cp1252")]
)
def test_a_file_within_the_limit_can_always_travel(text: str, encoding: str) -> None:
    size = len(text.encode(encoding))
    settings = Settings(_env_file=None, corpus_max_mb=size / MEGABYTE)
    assert unpack(pack(text), unpacked_limit(settings)) == text
