"""Training: learning, stopping, going on."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from galvanic.errors import UserError
from galvanic.learners import make_learner
from galvanic.model_file import load
from galvanic.options import TrainOptions
from galvanic.plan import Plan, make_plan
from galvanic.results import Hooks, TrainingCancelled, TrainResult, best_point
from galvanic.text import prepare
from galvanic.training import train
from tests.worker.texts import EPOCHS, SENTENCE, Memorised, Recorder, babble, corpus

pytestmark = pytest.mark.slow

TEXT = babble(3_000)


def small_plan(recipe: str, text: str = TEXT, members: int = 1) -> Plan:
    prepared = prepare(text, recipe)
    plan = make_plan(recipe, len(prepared.vocabulary), prepared.learned)
    units = (32, 32) if recipe == "classic" else (32,)  # what `galvanic.recurrence` takes
    network = plan.network.model_copy(update={"units": units, "members": members})
    return plan.model_copy(update={"network": network, "batch": min(plan.batch, 64)})


def run(recipe: str, out: Path, hooks: Hooks | None = None, **options: Any) -> TrainResult:
    text = options.pop("text", TEXT)
    others = {name: options.pop(name) for name in ("checkpoint", "parent") if name in options}
    plan = options.pop("plan", small_plan(recipe, text))
    chosen = TrainOptions(**{"recipe": recipe, "epochs": 2, "random_seed": 5, **options})
    return train(text, chosen, corpus(text), out=out, hooks=hooks, plan=plan, **others)


def test_char_memorises_a_sentence(memorised: Memorised) -> None:
    _, result, hooks = memorised
    assert result.heldout_loss is not None
    assert result.heldout_loss < 0.1
    assert result.train_loss < 0.3
    assert any(SENTENCE.strip() in sample for sample in result.samples)
    assert len(result.samples) == 3
    assert result.stopped == "done"
    first, last = hooks.progressed[0], hooks.progressed[-1]
    assert (first.epoch, first.step, first.train_loss) == (1, 0, None)
    assert last.epoch == last.epochs == EPOCHS
    assert last.step == last.steps
    assert [(sample.epoch, sample.by) for sample in hooks.samples[:2]] == [(0, "table"), (1, "both")]
    assert {one.doing for one in hooks.progressed} == {"learning", "measuring", "sampling", "finishing"}
    assert (last.doing, last.done, last.eta_s) == ("finishing", 1.0, 0.0)
    shares = [one.done for one in hooks.progressed]
    assert shares == sorted(shares)
    assert {one.epochs for one in hooks.progressed} == {EPOCHS}


def test_classic_learns(tmp_path: Path) -> None:
    result = run("classic", tmp_path / "model", text=babble(1_500), batch=64)
    assert result.heldout_loss is None
    assert result.epochs == 2
    assert result.curve[1].train_loss < result.curve[0].train_loss < np.log(30)
    assert result.train_loss == best_point(result.curve).train_loss


def test_finish_before_the_first_step_still_gives_a_model(tmp_path: Path) -> None:
    result = run("char", tmp_path / "model", Recorder(lambda _: "finish"))
    assert result.epochs == 0
    assert load(tmp_path / "model")[1]


def test_it_can_be_cancelled_while_it_is_judged_at_the_end(tmp_path: Path) -> None:
    hooks = Recorder(lambda _: "cancel" if hooks.progressed and hooks.progressed[-1].doing == "finishing" else None)
    with pytest.raises(TrainingCancelled):
        run("char", tmp_path / "model", hooks)
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize(
    "recipe", ["char", *(pytest.param(one, marks=pytest.mark.long) for one in ("word", "classic"))]
)
def test_a_text_in_a_file_is_learned_like_one_in_memory(recipe: str, tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_text(TEXT, "utf-8")
    chosen = TrainOptions(recipe=recipe, epochs=1, random_seed=5)
    plan = small_plan(recipe)
    one, other = (
        train(text, chosen, corpus(TEXT), out=tmp_path / name, plan=plan)
        for name, text in (("one", TEXT), ("other", path))
    )
    assert one.curve == other.curve
    assert one.samples == other.samples
    assert one.copy_share == other.copy_share
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one", "other", "text.txt"]


def test_halves_of_characters_are_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="lone surrogates"):
        run("char", tmp_path / "model", text=TEXT + "\ud800")
    assert list(tmp_path.iterdir()) == []


def test_nothing_of_the_heldout_part_is_ever_learned() -> None:
    """Two texts that differ in their held-out parts alone give the same weights, and others not."""
    prepared = prepare(TEXT)
    kept, given = np.array(prepared.ids), []
    assert 0 < prepared.learned < len(kept)
    for change in (slice(0, 0), slice(prepared.learned, None), slice(prepared.learned - 40, prepared.learned)):
        ids = kept.copy()
        ids[change] = ids[change][::-1]
        learner = make_learner(small_plan("char"), replace(prepared, ids=ids), 1)
        for epoch in (1, 2):
            learner.begin_epoch(epoch)
            for index in range(learner.steps):
                learner.step(index, 1e-2)
        given.append(learner.weights())
    plain, other_heldout, other_text = given
    for name, weight in plain.items():
        np.testing.assert_array_equal(weight, other_heldout[name])
    assert any(not np.array_equal(weight, other_text[name]) for name, weight in plain.items())


@pytest.mark.parametrize(
    "recipe", ["word", *(pytest.param(one, marks=pytest.mark.long) for one in ("char", "classic"))]
)
def test_losses_are_told_per_character(recipe: str, tmp_path: Path) -> None:
    """With a learning rate of nothing each symbol costs what its frequency in the text says; with `classic`, which
    begins without frequencies, the log of how many symbols there are."""
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
