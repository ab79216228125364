"""Jobs and events in Redis may be damaged or forged: the bot reads what it can, and passes over the rest."""

import json

import pytest
from hypothesis import example, given, strategies as st

from bot.jobs.decoding import card_of, event_from, job_from
from shared.events import TERMINAL
from tests.factories import examples, progress
from tests.strategies import changed, values

JOBS = [job.model_dump(mode="json") for job, _ in examples()]
EVENTS = [event.model_dump(mode="json") for event in (progress(), *(end for _, end in examples()))]


def stored(of: list[dict[str, object]]) -> st.SearchStrategy[bytes]:
    """What may lie in Redis in place of one of these."""
    return st.binary(max_size=30) | (st.sampled_from(of).flatmap(changed) | values).map(
        lambda it: json.dumps(it).encode()
    )


@given(stored(JOBS))
@example(b"{")
@example(json.dumps({**JOBS[0], "job_id": "t-8"}).encode())
@example(b'{"version": 2, "kind": "train", "job_id": "t-1", "wish": "more"}')
def test_a_job_is_read_or_damaged(data: bytes) -> None:
    job = job_from("t-1", data)
    if job is not None:
        assert job.job_id == "t-1"
        job.model_dump_json().encode()


@given(stored(EVENTS), st.booleans())
@example(b"[" * 10_000, True)
@example(b'{"kind": "finished", "version": 2}', False)
@example(b'{"kind": "from the future"}', True)
def test_an_event_is_read_or_passed_over_and_the_last_one_is_an_end(data: bytes, last: bool) -> None:
    event = event_from("t-1", {b"event": data, **({b"last": b"1"} if last else {})})
    if event is not None:
        event.model_dump_json().encode()
        assert all(abs(number) < 2**64 for number in event.model_dump().values() if isinstance(number, int | float))


def test_an_entry_without_an_event_is_passed_over_but_not_as_the_last() -> None:
    assert event_from("t-1", {b"other": b"{}"}) is None
    end = event_from("t-1", {b"last": b"1"})
    assert end is not None
    assert end.kind in TERMINAL


@pytest.mark.parametrize("value", [None, b"", b"x", b"1", b"1:2:3", b":", b"-1:-1", "٣:٣".encode(), b"9" * 40 + b":1"])
def test_what_is_no_card_is_none(value: bytes | None) -> None:
    assert card_of(value) is None
    assert card_of(b"12:34") == (12, 34)
