"""JSON files that are read an entry at a time."""

import io
import json
from collections import Counter
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from galvanic.read import entries as module
from galvanic.read.chat import DAMAGED
from galvanic.read.entries import entries

OBJECTS = st.lists(st.dictionaries(st.text(max_size=5), st.text(max_size=20) | st.integers(), max_size=3), max_size=8)


def read(data: bytes, key: str = "messages") -> tuple[list[dict[str, Any]], int]:
    left_out = Counter[str]()
    return [entry for _, entry in entries(io.BytesIO(data), left_out, key)], left_out[DAMAGED]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(OBJECTS, OBJECTS, st.booleans(), st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]), st.sampled_from([None, 2]))
def test_entries_are_those_of_the_whole_file(
    monkeypatch: pytest.MonkeyPatch, first: list[Any], second: list[Any], ascii_only: bool, encoding: str, indent: int
) -> None:
    monkeypatch.setattr(module, "_CHUNK", 7)
    chats = [{"name": '"messages": [', "messages": first}, {"messages": second}]
    data = json.dumps({"chats": {"list": chats}}, ensure_ascii=ascii_only, indent=indent).encode(encoding)
    assert read(data) == (first + second, 0)
    assert read(json.dumps(first, ensure_ascii=ascii_only).encode(encoding), "") == (first, 0)


def test_each_entry_comes_with_the_text_before_its_array() -> None:
    data = b'{"a": 1, "messages": [{"n": 1}], "b": 2, "messages": [{"n": 2}]}'
    pairs = list(entries(io.BytesIO(data), Counter(), "messages"))
    assert pairs == [('{"a": 1, "messages": [', {"n": 1}), ('], "b": 2, "messages": [', {"n": 2})]


@pytest.mark.parametrize("rest", ['{"n": 2', "[" * 100_000, "{]}", '{"n": 9' + "9" * 5_000, '{"n": "\\x"}]}'])
def test_the_first_mistake_ends_a_file_and_is_counted(rest: str) -> None:
    assert read(f'{{"messages": [{{"n": 1}}, 5, {rest}'.encode()) == ([{"n": 1}], 2)


@given(st.binary(max_size=200))
def test_bytes_without_such_an_array_are_one_mistake(data: bytes) -> None:
    assert read(data) == ([], 1)
