"""What a training says of its own time: within its limit, and in one direction."""

from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from hypothesis import given, strategies as st

from galvanic import pace
from galvanic.pace import Pace, Position
from galvanic.plan import make_plan

PLAN = make_plan("char", 30, 5_000)
MEASURED_S = 3.0


class Clock:
    """A clock that only the test moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now


def told(epochs: int, minutes: float | None, steps: int, durations: Iterator[float]) -> Iterator[tuple[Pace, float]]:
    """A training to its end; after each step, its pace and what is left."""
    clock = Clock()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(pace, "time", SimpleNamespace(monotonic=clock.monotonic))
        one = Pace(PLAN, steps, epochs, minutes, Position())
        at = one.position
        while at.epoch <= epochs:
            for at.step in range(1, steps + 1):
                one.tick()
                if one.out_of_time():
                    return
                took = next(durations)
                clock.now += took
                one.time_step(took)
                one.tick()
                yield one, clock.now
            at.epoch, at.step = at.epoch + 1, 0


@given(
    epochs=st.integers(1, 5),
    steps=st.integers(1, 8),
    minutes=st.none() | st.floats(0.05, 2),
    durations=st.lists(st.floats(0.01, 9), min_size=1, max_size=8),
)
def test_a_training_never_has_more_time_left_than_its_limit_and_only_gets_on(
    epochs: int, steps: int, minutes: float | None, durations: list[float]
) -> None:
    endless = (durations[number % len(durations)] for number in range(10**6))
    limit_s = 60 * minutes if minutes is not None else float("inf")
    done = 0.0
    for one, now in told(epochs, minutes, steps, endless):
        left = one.remaining()
        assert left is None or 0 <= left <= max(0.0, limit_s - now) + 1e-6
        assert left is not None or now <= MEASURED_S + 2 * max(durations) + max(durations)
        assert done <= one.done() <= 1
        done = one.done()
    assert done == pytest.approx(1) or now + max(durations) >= limit_s


def test_at_an_even_pace_the_estimate_is_right() -> None:
    for one, now in told(4, None, 10, iter([0.5] * 100)):
        left = one.remaining()
        if now < MEASURED_S + 1:
            assert left is None
        else:
            assert left == pytest.approx(4 * 10 * 0.5 - now)
