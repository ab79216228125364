"""What a person may choose, and what is refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from galvanic import plan as plans
from galvanic.errors import UserError
from galvanic.model_file import load
from galvanic.options import TrainOptions
from galvanic.plan import Budget, Plan, apply_options, fit_to_text, make_plan
from tests.galvanic.test_train import TEXT, run, small_plan

pytestmark = pytest.mark.slow

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
    choose(units=1024, layers=2)
    large = {"units": 4096, "layers": 8}
    with pytest.raises(UserError, match=r"1,\d\d\d,\d\d\d,\d\d\d parameters"):
        choose(**large)
    with pytest.raises(UserError, match="memory"):
        choose(batch=4096, length=4096)
    monkeypatch.setattr(plans, "memory_bytes", lambda: None)
    assert choose(**large).network.units == (4096,) * 8


@pytest.mark.parametrize("symbols", [50, 180, 1_000, 4_224])
def test_streams_are_shortened_to_the_text_with_a_note(symbols: int) -> None:
    plan, notes = fit_to_text(choose(batch=64, length=256), symbols)
    assert len(notes) == 1
    assert plan.batch * (plan.length + 1) <= symbols
    assert plan.batch * plan.length >= symbols // 2
    assert f"{plan.batch:,} of {plan.length:,}" in notes[0]


def test_a_chosen_network_is_trained_and_kept(tmp_path: Path) -> None:
    chosen = {"layers": 2, "units": 16, "embedding": 12, "dropout": 0.1, "batch": 4, "length": 4096}
    result = run("char", tmp_path / "model", plan=None, epochs=8, learning_rate=0.05, **chosen)
    description, weights, _, _ = load(tmp_path / "model")
    assert description.network.units == (16, 16)
    assert weights["embedding/embeddings"].shape[1] == 12
    assert description.options is not None
    assert description.options.length == 4096
    assert sum("too short" in note for note in result.notes) == 1
    assert result.curve[-1].train_loss < result.curve[0].train_loss


@pytest.mark.parametrize(
    "recipe", ["word", *(pytest.param(one, marks=pytest.mark.long) for one in ("char", "classic"))]
)
def test_losses_are_told_per_character(recipe: str, tmp_path: Path) -> None:
    """With a learning rate of nothing each symbol costs what its frequency in the text says; with `classic`, which
    begins without frequencies, the log of how many symbols there are."""
    from galvanic.text import prepare

    plan = small_plan(recipe).model_copy(update={"learning_rate": 1e-12})
    result = run(recipe, tmp_path / "model", plan=plan, epochs=1)
    prepared = prepare(TEXT, recipe)
    counts = np.bincount(prepared.training, minlength=len(prepared.vocabulary)) + 0.5
    nats = -np.log(counts / counts.sum())
    if recipe == "classic":
        nats[:] = np.log(len(nats))
    assert result.train_loss == pytest.approx(nats[prepared.training].sum() / prepared.learned_chars, rel=0.05)
    mixed = result.curve[0].heldout_loss
    if mixed is not None:
        assert result.network_loss is not None
        assert result.network_loss == pytest.approx(nats[prepared.heldout].sum() / prepared.heldout_chars, rel=0.05)
        # Epochs are judged by what the model would say, with its table.
        assert result.heldout_loss is not None
        assert result.heldout_loss <= mixed + 1e-6 < result.network_loss
        assert result.heldout_loss == pytest.approx(mixed, rel=0.02)
