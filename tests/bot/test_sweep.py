"""Which jobs have lost their worker or their message, by what was seen."""

from dataclasses import replace

import pytest
from hypothesis import given, strategies as st

from bot.jobs.sweep import BREAK_S, GONE_S, LOST_S, LOST_TEXT_S, MOST_ATTEMPTS, Memory, SeenJob, sweep
from shared.lifecycle import LEASE_S
from shared.queues import message_id

BEGUN = SeenJob("t-1", True, "begun", 1, "n", "w", True)
WAITING = SeenJob("t-1", True, "waiting", 1, "n", "", False)


def watched(
    job: SeenJob, seconds: float, *, workers: tuple[str, ...] = (), queued: bool = False, step: float = 2.0
) -> list[tuple[float, str]]:
    """Look every `step` seconds; when each loss is seen first, and how."""
    memory, losses, at = Memory(), dict[str, float](), 0.0
    ids = {message_id(job.job_id, job.attempt)} if queued else set()
    while at <= seconds:
        found, memory = sweep(at, [job], {*workers, *ids}, memory)
        for loss in found:
            losses.setdefault(loss.how, at)
        at += step
    return [(when, how) for how, when in losses.items()]


def test_what_has_all_that_it_needs_is_left_alone() -> None:
    assert watched(BEGUN, 600, workers=("w",)) == []
    assert watched(WAITING, 600, queued=True) == []
    assert watched(replace(BEGUN, state="reading", leased=False), 600) == []


@pytest.mark.parametrize(
    ("job", "workers", "how", "after_s"),
    [
        (BEGUN, ("other",), "died", GONE_S),
        (replace(BEGUN, leased=False), ("w",), "lapsed", LEASE_S),
        (WAITING, (), "lost", LOST_S),
        (replace(WAITING, job_id="g-1", training=False), (), "lost", LOST_TEXT_S),
        (replace(WAITING, state=""), (), "gone", 0),
    ],
)
def test_what_misses_something_is_lost_after_a_while(
    job: SeenJob, workers: tuple[str, ...], how: str, after_s: float
) -> None:
    (first,) = watched(job, after_s + 6, workers=workers)[:1]
    assert first[1] == how
    assert after_s <= first[0] <= after_s + 4


def test_time_does_not_count_while_nobody_looks() -> None:
    assert watched(BEGUN, 600, step=BREAK_S + 1) == [], "its worker could not say that it is there"
    assert watched(WAITING, 600, step=BREAK_S + 1) == []


def test_a_text_is_tried_a_few_times() -> None:
    text = replace(BEGUN, job_id="g-1", training=False, leased=False)
    assert [how for _, how in watched(text, 60)] == ["died"]
    assert watched(replace(text, attempt=MOST_ATTEMPTS), 60) == []
    assert watched(replace(text, state=""), 60) == [], "it is over"


JOBS = st.builds(
    SeenJob,
    job_id=st.sampled_from(["t-1", "t-2", "g-1"]),
    training=st.booleans(),
    state=st.sampled_from(["", "reading", "waiting", "begun"]),
    attempt=st.integers(1, 4),
    nonce=st.just("n"),
    worker=st.sampled_from(["", "a", "b"]),
    leased=st.booleans(),
)
LOOKS = st.lists(
    st.tuples(
        st.floats(0.1, 30),
        st.lists(JOBS, max_size=3, unique_by=lambda job: job.job_id),
        st.sets(st.sampled_from(["a", "b"])),
        st.sets(st.sampled_from([f"{job_id}-{attempt}" for job_id in ("t-1", "t-2", "g-1") for attempt in (1, 2)])),
    ),
    max_size=40,
)


@given(LOOKS)
def test_nothing_is_lost_that_was_there_a_moment_ago(
    looks: list[tuple[float, list[SeenJob], set[str], set[str]]],
) -> None:
    memory, at = Memory(), 0.0
    last_there: dict[str, float] = {}
    for seconds, jobs, workers, queued in looks:
        at += seconds
        for name in (*workers, *queued):
            last_there[name] = at
        losses, memory = sweep(at, jobs, workers | queued, memory)
        for loss in losses:
            job = loss.job
            if loss.how == "lost":
                assert at - last_there.get(message_id(job.job_id, job.attempt), -1e9) >= (
                    LOST_S if job.training else LOST_TEXT_S
                )
            if loss.how == "died":
                assert at - last_there.get(job.worker, -1e9) >= GONE_S
            if loss.how in ("lost", "died", "lapsed"):
                assert seconds <= BREAK_S, "there was a break"
        assert len({loss.job.job_id for loss in losses}) == len(losses)
