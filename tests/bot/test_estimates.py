"""What is expected of a training, by the stated rule."""

from __future__ import annotations

import pytest

from bot.training.estimates import Estimate, estimate, left, schedule
from shared.history import Past
from shared.jobs import TrainOptions


def timed(used_s: float, **fields: object) -> Past:
    return Past.model_validate(
        {"recipe": "char", "chars": 1_000, "allowed_s": 480.0, "epochs": 10, "used_s": used_s, **fields}
    )


def test_before_any_training_it_is_the_time_limit() -> None:
    assert estimate(TrainOptions(minutes=8), 1_000, []) == Estimate(480, sure=False)
    assert estimate(TrainOptions(minutes=180, epochs=1), 1_000, []) == Estimate(180 * 60, sure=False)


def test_a_timed_training_uses_the_share_of_its_limit_that_others_used() -> None:
    past = [timed(240), timed(480), timed(360, beside_s=12.0)]
    assert estimate(TrainOptions(minutes=4), 9_999, past) == Estimate(4 * 60 * 0.75 + 12, sure=True)


def test_epochs_take_as_long_for_each_character_as_before() -> None:
    past = [timed(20, asked_epochs=2, epochs=2), timed(9_999)]
    assert estimate(TrainOptions(minutes=180, epochs=3), 5_000, past) == Estimate(150, sure=True)
    assert estimate(TrainOptions(minutes=1, epochs=3), 5_000, past) == Estimate(60, sure=True)


def test_other_recipes_and_those_finished_early_do_not_count() -> None:
    past = [timed(10, recipe="word"), timed(10, cut_short=True)]
    assert not estimate(TrainOptions(minutes=8), 1_000, past).sure


def test_those_of_the_same_units_count_before_others() -> None:
    past = [timed(480, units=None), timed(120, units=64), timed(240, units=512)]
    assert estimate(TrainOptions(minutes=8, units=64), 1_000, past).seconds == 120
    assert estimate(TrainOptions(minutes=8, units=32), 1_000, past).seconds == 240


def test_only_the_newest_nine_count() -> None:
    past = [timed(48)] * 5 + [timed(480)] * 50
    assert estimate(TrainOptions(minutes=8), 1_000, past).seconds == pytest.approx(48)


def test_the_tutorials_recipe_has_its_own_number_of_epochs() -> None:
    past = [timed(100, recipe="classic", epochs=20, allowed_s=10_800.0)]
    assert estimate(TrainOptions(recipe="classic", minutes=180), 2_000, past) == Estimate(200, sure=True)


def test_what_is_left_is_never_less_than_nothing() -> None:
    assert left(Estimate(60, True), 20) == Estimate(40, True)
    assert left(Estimate(60, True), 200) == Estimate(0, True)


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
