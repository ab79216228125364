"""Which network a text, a time and a machine get, and what a person may choose."""

from dataclasses import replace
from typing import Any

import pytest

from galvanic import plan as plans
from galvanic.errors import UserError
from galvanic.network import build, get_weights
from galvanic.options import TrainOptions
from galvanic.plan import Budget, Machine, NetworkConfig, Plan, apply_options, fit_to_text, make_plan

pytestmark = pytest.mark.slow

BOOK = 400_000


def units(symbols: int, minutes: float, flops: float) -> int:
    return make_plan("char", 80, symbols, Budget(minutes=minutes, machine=Machine(flops=flops))).network.units[0]


def test_more_time_and_a_faster_machine_are_worth_a_larger_network() -> None:
    by_time = [units(BOOK, minutes, 200e9) for minutes in (0.5, 5, 60)]
    by_speed = [units(BOOK, 8, flops) for flops in (20e9, 200e9, 2_000e9)]
    assert by_time == sorted(set(by_time))
    assert by_speed == sorted(set(by_speed))


def test_a_short_text_gets_no_large_network() -> None:
    assert units(5_000, 600, 1e12) < units(BOOK, 600, 1e12)


def test_what_is_seen_more_often_is_dropped_more() -> None:
    plans = [make_plan("char", 80, BOOK, Budget(epochs=epochs)) for epochs in (1, 9, 15, 22, 100)]
    shares = [plan.network.dropout for plan in plans]
    assert shares == sorted(set(shares))
    assert len({plan.network.units for plan in plans}) == 1


def test_more_time_makes_nobody_forget_what_another_text_taught() -> None:
    long = Budget(minutes=600, machine=Machine(flops=1e12))
    begun = make_plan("char", 80, BOOK, long).network.model_copy(update={"dropout": 0.0, "members": 1})
    plan = make_plan("char", 80, BOOK, long, begun, from_starter=True)
    assert begun.dropout < plan.network.dropout < make_plan("char", 80, BOOK, long).network.dropout
    assert plan.learning_rate > make_plan("char", 80, BOOK // 4, long, begun, from_starter=True).learning_rate
    named = make_plan("char", 80, BOOK, Budget(epochs=6), begun, from_starter=True)
    assert [one.schedule for one in (plan, named)] == ["plateau", "cosine"], "its held-out part decides, or a person"


def test_it_is_said_what_chose_the_network() -> None:
    slow, fast = (
        make_plan("char", 80, 4_030, Budget(minutes=1, machine=Machine(flops=flops))) for flops in (2e9, 200e9)
    )
    assert slow.network.units != fast.network.units
    assert slow.because == "chosen by the time: 4,030 symbols, 1 min, and 2 GFLOP/s measured when it began"
    assert "200 GFLOP/s" in fast.because
    by_size = make_plan("char", 80, 4_030, Budget(epochs=3))
    assert by_size.because == "chosen by the size of the text, 4,030 symbols"
    assert apply_options(by_size, TrainOptions(units=64)).because == "as asked for"
    again = make_plan("char", 80, 4_030, Budget(minutes=1), by_size.network, from_starter=True)
    assert again.because == "that of the model it started from"


def test_named_epochs_mean_the_same_network_on_every_machine() -> None:
    slow, fast = (make_plan("char", 80, BOOK, Budget(180, 20, Machine(flops=flops))) for flops in (100e9, 1e15))
    assert slow.network.units == fast.network.units


@pytest.mark.parametrize("gigabytes", [1, 2, 4])
@pytest.mark.parametrize("budget", [Budget(minutes=60), Budget(epochs=20)])
def test_the_network_fits_into_the_memory(gigabytes: int, budget: Budget) -> None:
    memory = gigabytes * 2**30
    plain = make_plan("word", 20_000, 500_000, budget)
    fitting = make_plan("word", 20_000, 500_000, replace(budget, memory=memory))
    assert fitting.memory() <= memory
    assert (fitting == plain) == (plain.memory() <= memory)


@pytest.mark.parametrize(
    "config",
    [
        NetworkConfig(kind="streams", vocabulary=9, embedding=4, units=(6, 5)),
        NetworkConfig(kind="windows", vocabulary=9, embedding=0, units=(6, 5), window=10),
    ],
)
def test_the_network_has_the_shapes_of_its_settings(config: NetworkConfig) -> None:
    model = build(config)
    assert {name: weight.shape for name, weight in get_weights(model).items()} == config.shapes()
    assert config.parameters() == model.count_params()


CHAR = make_plan("char", 80, 400_000, Budget(epochs=20))


def choose(plan: Plan = CHAR, **options: Any) -> Plan:
    return apply_options(plan, TrainOptions(**options))


def test_choices_take_the_place_of_the_defaults() -> None:
    plan = choose(layers=3, units=40, embedding=20, dropout=0.25, batch=7, length=33, learning_rate=0.01)
    assert plan.network.units == (40, 40, 40)
    assert plan.network.embedding == 20
    assert plan.network.dropout == 0.25
    assert (plan.batch, plan.length, plan.learning_rate) == (7, 33, 0.01)
    assert plan.network.shapes()["lstm_2/lstm_cell/kernel"] == (40, 160)


def test_a_network_too_large_for_the_memory_is_refused_with_its_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plans, "memory_bytes", lambda: 8 * 2**30)
    choose(units=1024, layers=2).check_memory()
    large, wide = choose(units=4096, layers=8), choose(batch=4096, length=4096)
    with pytest.raises(UserError, match=r"1,\d\d\d,\d\d\d,\d\d\d parameters"):
        large.check_memory()
    with pytest.raises(UserError, match="memory"):
        wide.check_memory()
    monkeypatch.setattr(plans, "memory_bytes", lambda: 2**29)
    with pytest.raises(UserError, match=r"needs about 0\.7 GB .* this machine has 0\.5"):
        choose(units=8).check_memory()  # TensorFlow alone takes more
    monkeypatch.setattr(plans, "memory_bytes", lambda: None)
    large.check_memory()


@pytest.mark.parametrize("symbols", [50, 180, 1_000, 4_224])
def test_streams_are_shortened_to_the_text_with_a_note(symbols: int) -> None:
    plan, notes = fit_to_text(choose(batch=64, length=256), symbols)
    assert len(notes) == 1
    assert plan.batch * (plan.length + 1) <= symbols
    assert plan.batch * plan.length >= symbols // 2
    assert f"read with {plan.batch:,} and {plan.length:,}" in notes[0]
