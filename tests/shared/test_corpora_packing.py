"""Texts on their way through Redis."""

from __future__ import annotations

import zlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from galvanic.errors import UserError
from galvanic.units import MEGABYTE
from shared.corpora import pack, unpack, unpack_to_file, unpacked_limit
from shared.settings import Settings


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text())
def test_what_is_packed_comes_out(tmp_path: Path, text: str) -> None:
    assert unpack(pack(text), len(text.encode()) + 1) == text
    unpack_to_file(pack(text), tmp_path / "a.txt", len(text.encode()))
    assert (tmp_path / "a.txt").read_bytes() == text.encode()


def test_a_long_text_is_unpacked_in_parts(tmp_path: Path) -> None:
    text = "水 and a small red boat 👍🏽\r\n" * 100_000
    assert unpack(pack(text), 10_000_000) == text
    unpack_to_file(pack(text), tmp_path / "a.txt", 10_000_000)
    assert (tmp_path / "a.txt").read_bytes() == text.encode()


def test_the_limit_is_the_last_length_accepted() -> None:
    assert unpack(pack("a" * 1000), 1000) == "a" * 1000
    with pytest.raises(UserError, match="longer than this worker accepts"):
        unpack(pack("a" * 1001), 1000)


def test_a_bomb_is_not_unpacked(tmp_path: Path) -> None:
    bomb = zlib.compress(bytes(50_000_000), 9)
    assert len(bomb) < 100_000
    with pytest.raises(UserError, match="longer"):
        unpack(bomb, 10_000)
    with pytest.raises(UserError, match="longer"):
        unpack_to_file(bomb, tmp_path / "a.txt", 10_000)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "data", [b"", b"not zlib", pack("words " * 100)[:-5], pack("words") + b"more", zlib.compress(b"\xff\xfe\xfd")]
)
def test_damaged_data_is_said_to_be_damaged(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(UserError, match="damaged"):
        unpack(data, 10_000)
    with pytest.raises(UserError, match="damaged"):
        unpack_to_file(data, tmp_path / "a.txt", 10_000)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("text", "encoding"), [("€" * 1000, "cp1252"), ("水" * 1000, "utf-16-le"), ("é" * 9, "cp1252")]
)
def test_a_file_within_the_limit_can_always_travel(text: str, encoding: str) -> None:
    size = len(text.encode(encoding))
    settings = Settings(_env_file=None, corpus_max_mb=size / MEGABYTE)
    assert unpack(pack(text), unpacked_limit(settings)) == text
