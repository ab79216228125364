"""What is expected of a training, by the stated rule."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.jobs.fairness import Estimate, beside, estimate, schedule
from shared.history import Past
from shared.jobs import TrainOptions


def timed(used_s: float, **fields: object) -> Past:
    return Past.model_validate(
        {"recipe": "char", "chars": 1_000, "allowed_s": 480.0, "epochs": 10, "used_s": used_s, **fields}
    )


def counted(used_s: float, **fields: object) -> Past:
    return timed(used_s, **{"asked_epochs": 2, "epochs": 2, **fields})


def test_of_one_that_is_timed_only_its_limit_is_known() -> None:
    assert estimate(TrainOptions(minutes=1), 1_000, [timed(20), timed(30)]) == Estimate(60, sure=False)


def test_before_any_training_nobody_can_say_what_epochs_take() -> None:
    assert estimate(TrainOptions(minutes=180, epochs=1), 1_000, [timed(20)]) is None
    assert estimate(TrainOptions(recipe="classic", minutes=180), 1_000, []) is None


def test_epochs_take_as_long_for_each_character_as_before() -> None:
    past = [counted(20), timed(9_999)]
    assert estimate(TrainOptions(minutes=180, epochs=3), 5_000, past) == Estimate(150, sure=True)
    assert estimate(TrainOptions(minutes=1, epochs=3), 5_000, past) == Estimate(60, sure=True)


def test_other_recipes_and_those_finished_early_do_not_count() -> None:
    past = [counted(10, recipe="word"), counted(10, cut_short=True)]
    assert estimate(TrainOptions(minutes=8, epochs=1), 1_000, past) is None


def seconds(options: TrainOptions, past: list[Past]) -> float:
    found = estimate(options, 1_000, past)
    assert found is not None
    return found.seconds


def test_those_of_the_same_units_count_before_others() -> None:
    past = [counted(480, units=None), counted(120, units=64), counted(240, units=512)]
    assert seconds(TrainOptions(epochs=2, units=64), past) == 120
    assert seconds(TrainOptions(epochs=2, units=32), past) == 240


def test_only_the_newest_nine_count() -> None:
    assert seconds(TrainOptions(epochs=2), [counted(48)] * 5 + [counted(480)] * 50) == pytest.approx(48)


def test_the_tutorials_recipe_has_its_own_number_of_epochs() -> None:
    past = [timed(100, recipe="classic", epochs=20, allowed_s=10_800.0)]
    assert estimate(TrainOptions(recipe="classic", minutes=180), 2_000, past) == Estimate(200, sure=True)


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


def test_an_idle_worker_begins_at_once() -> None:
    assert schedule([], [sure(10)], 1) == [(sure(0), sure(10))]
    assert schedule([sure(50)], [sure(10)], 2)[0][0] == sure(0)


def test_a_guess_before_makes_all_after_it_a_guess() -> None:
    times = schedule([Estimate(30, sure=False)], [sure(10), sure(10)], 1)
    assert [(begins.sure, ends.sure) for begins, ends in times] == [(False, False)] * 2


def test_what_each_takes_beside_learning_delays_the_next() -> None:
    times = schedule([sure(30)], [sure(10), sure(80)], 1, 5)
    assert [(one[0], one[1]) for one in times] == [(sure(35), sure(45)), (sure(50), sure(130))]
    assert beside([timed(60, beside_s=4.0), timed(60), timed(60, beside_s=6.0)]) == 5
    assert beside([]) == 0


def test_after_what_nobody_knows_nobody_knows() -> None:
    assert schedule([None], [sure(10)], 1) == [(None, None)]
    assert schedule([sure(5)], [None, sure(10)], 1) == [(sure(5), None), (None, None)]
    assert schedule([None], [sure(10)], 2) == [(sure(0), sure(10))]


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
