"""Whose training is next, and what is expected of it, by the stated rules."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given, strategies as st

from bot.jobs.fairness import (
    Estimate,
    Served,
    Waiting,
    estimate,
    in_order,
    schedule,
    serve,
    virtual_time,
)
from galvanic.options import TrainOptions
from shared.history import Past


def timed(used_s: float, **fields: object) -> Past:
    return Past.model_validate(
        {"recipe": "char", "chars": 1_000, "allowed_s": 480.0, "epochs": 10, "used_s": used_s, **fields}
    )


def counted(used_s: float, **fields: object) -> Past:
    return timed(used_s, **{"asked_epochs": 2, "epochs": 2, **fields})


OF_UNITS = [counted(480, units=None), counted(120, units=64), counted(240, units=512)]
CLASSIC = timed(100, recipe="classic", epochs=20, allowed_s=10_800.0)


@pytest.mark.parametrize(
    ("options", "chars", "past", "seconds"),
    [
        # Before any training nobody can say what epochs take.
        ({"minutes": 180, "epochs": 1}, 1_000, [timed(20)], None),
        ({"recipe": "classic", "minutes": 180}, 1_000, [], None),
        # They take as long for each character as before.
        ({"minutes": 180, "epochs": 3}, 5_000, [counted(20), timed(9_999)], 150),
        ({"minutes": 1, "epochs": 3}, 5_000, [counted(20), timed(9_999)], 60),
        # Other recipes and those finished early do not count.
        ({"minutes": 8, "epochs": 1}, 1_000, [counted(10, recipe="word"), counted(10, cut_short=True)], None),
        # Those of the same units count before others.
        ({"epochs": 2, "units": 64}, 1_000, OF_UNITS, 120),
        ({"epochs": 2, "units": 32}, 1_000, OF_UNITS, 240),
        # Only the newest nine count.
        ({"epochs": 2}, 1_000, [counted(48)] * 5 + [counted(480)] * 50, 48),
        # The tutorial's recipe has its own number of epochs.
        ({"recipe": "classic", "minutes": 180}, 2_000, [CLASSIC], 200),
    ],
)
def test_what_is_expected_of_a_training(
    options: dict[str, Any], chars: int, past: list[Past], seconds: float | None
) -> None:
    assert estimate(TrainOptions(**options), chars, past) == (seconds and Estimate(pytest.approx(seconds), sure=True))


def test_of_one_that_is_timed_only_its_limit_is_known() -> None:
    assert estimate(TrainOptions(minutes=1), 1_000, [timed(20), timed(30)]) == Estimate(60, sure=False)


@given(
    epochs=st.none() | st.integers(1, 500),
    minutes=st.floats(0.1, 10_000),
    chars=st.integers(0, 10**8),
    past=st.lists(st.builds(counted, st.floats(0, 10**6), epochs=st.integers(1, 500), chars=st.integers(0, 10**8))),
)
def test_nothing_takes_longer_than_its_limit(epochs: int | None, minutes: float, chars: int, past: list[Past]) -> None:
    found = estimate(TrainOptions(epochs=epochs, minutes=minutes), chars, past)
    assert found is None or 0 <= found.seconds <= 60 * minutes


def sure(seconds: float) -> Estimate:
    return Estimate(seconds, sure=True)


def test_each_begins_where_a_worker_is_free_first() -> None:
    times = schedule([sure(30), sure(100)], [sure(10), sure(80), sure(5)], 2)
    assert [(begins.seconds, ends.seconds) for begins, ends in times] == [(30, 40), (40, 120), (100, 105)]


spans = st.none() | st.builds(Estimate, st.floats(0, 10**6), st.booleans())


@given(
    running=st.lists(spans, max_size=4),
    waiting=st.lists(spans, max_size=6),
    workers=st.integers(0, 4),
    age=st.floats(0, 10**5),
)
def test_a_training_that_waits_never_begins_later_because_time_passes(
    running: list[Estimate | None], waiting: list[Estimate | None], workers: int, age: float
) -> None:
    later = [one and Estimate(max(0, one.seconds - age), one.sure) for one in running]
    before, after = schedule(running, waiting, workers), schedule(later, waiting, workers)
    for (first, _), (second, _) in zip(before, after, strict=True):
        assert first is None or (second is not None and second.seconds <= first.seconds + 1e-6)


A, B, C = 101, 102, 103


class Line:
    """Trainings that come and go, as Redis keeps them."""

    def __init__(self) -> None:
        self.waiting: dict[str, Waiting] = {}
        self.served: dict[int, Served] = {}
        self._number = itertools.count()

    def enter(self, guild_id: int, count: int = 1) -> None:
        for _ in range(count):
            job_id = f"{'abc'[guild_id - A]}{next(self._number)}"
            self.waiting[job_id] = Waiting(job_id, guild_id, virtual_time(self.served))

    def order(self) -> list[str]:
        return [one.job_id for one, _ in in_order(self.waiting.values(), self.served)]

    def send(self) -> Waiting:
        one, start_tag = in_order(self.waiting.values(), self.served)[0]
        del self.waiting[one.job_id]
        self.served[one.guild_id] = serve(self.served, one.guild_id, start_tag)
        return Waiting(one.job_id, one.guild_id, one.arrived, start_tag)


def test_one_training_of_a_server_does_not_wait_for_ten_of_another() -> None:
    line = Line()
    line.enter(A, 10)
    line.enter(B)
    assert line.order() == ["a0", "b10", *(f"a{number}" for number in range(1, 10))]


def test_who_comes_later_does_not_catch_up_on_what_others_had_before() -> None:
    line = Line()
    line.enter(A, 6)
    assert [line.send().job_id for _ in range(3)] == ["a0", "a1", "a2"]
    line.enter(B, 3)
    assert line.order() == ["b6", "a3", "b7", "a4", "b8", "a5"]


@given(st.lists(st.sampled_from([A, B, C, 0, -A, -B]), min_size=1, max_size=40))
def test_between_servers_that_wait_nobody_gets_two_more(steps: list[int]) -> None:
    """Goyal et al.: while two servers both wait, what they were given differs by one training at most, each way.

    A step is the server that enters a training, 0 for one that is sent, below 0 the server that cancels its oldest.
    """
    line = Line()
    lead: dict[tuple[int, int], int] = {}  # of each pair, since both wait: how many more the first was given
    for step in [*steps, *([0] * 40)]:
        if step > 0:
            line.enter(step)
        elif step < 0:
            for one in list(line.waiting.values()):
                if one.guild_id == -step:
                    del line.waiting[one.job_id]
                    break
        elif line.waiting:
            rest = line.order()[1:]
            sent = line.send().guild_id
            assert line.order() == rest, "sending one changes the order of the others"
            lead = {pair: gap + (sent == pair[0]) - (sent == pair[1]) for pair, gap in lead.items()}
            assert all(abs(gap) <= 1 for gap in lead.values())
        there = {one.guild_id for one in line.waiting.values()}
        lead = {pair: lead.get(pair, 0) for pair in itertools.combinations((A, B, C), 2) if set(pair) <= there}
    assert not line.waiting
