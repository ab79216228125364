"""Training: learning, stopping, going on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shared.errors import UserError
from shared.jobs import TrainOptions
from tests.worker.conftest import SENTENCE, Recorder, babble, corpus
from worker.model import checkpoint, loop
from worker.model.folder import load
from worker.model.learners import StreamsLearner, WindowsLearner, make_learner
from worker.model.plan import Plan, make_plan
from worker.model.results import CurvePoint, TrainingCancelled, TrainingInterrupted, TrainResult, best_point
from worker.model.train import train
from worker.text import TextOptions, prepare

TEXT = babble(3_000)


def small_plan(recipe: str, text: str = TEXT) -> Plan:
    prepared = prepare(text, TextOptions(recipe))
    plan = make_plan(recipe, prepared.distinct, prepared.learned)
    units = (12, 12) if recipe == "classic" else (24,)
    network = plan.network.model_copy(update={"units": units})
    return plan.model_copy(update={"network": network, "batch": min(plan.batch, 64)})


def run(recipe: str, out: Path, hooks: Recorder | None = None, **options: Any) -> TrainResult:
    place = options.pop("checkpoint", None)
    chosen = TrainOptions(**{"recipe": recipe, "epochs": 2, "random_seed": 5, **options})
    return train(TEXT, chosen, corpus(TEXT), out=out, checkpoint=place, hooks=hooks, plan=small_plan(recipe))


def test_char_memorises_a_sentence(memorised: tuple[Path, TrainResult, Recorder]) -> None:
    _, result, hooks = memorised
    assert result.heldout_loss is not None
    assert result.heldout_loss < 0.1
    assert result.train_loss < 0.3
    assert any(SENTENCE.strip() in sample for sample in result.samples)
    assert len(result.samples) == 3
    assert result.stopped == "done"
    first, last = hooks.progressed[0], hooks.progressed[-1]
    assert (first.epoch, first.step, first.train_loss) == (1, 0, None)
    assert last.epoch == last.epochs == 15
    assert last.step == last.steps
    assert hooks.samples


def test_classic_learns(classic: tuple[Path, TrainResult]) -> None:
    _, result = classic
    assert result.heldout_loss is None
    assert result.epochs == 2
    assert result.curve[1].train_loss < result.curve[0].train_loss < np.log(30)
    assert result.train_loss == best_point(result.curve).train_loss


@pytest.mark.parametrize("recipe", ["char", "classic"])
@pytest.mark.parametrize("after", [2, 25])
def test_resumed_equals_uninterrupted(recipe: str, after: int, tmp_path: Path) -> None:
    whole = run(recipe, tmp_path / "whole")
    place = tmp_path / "checkpoint"
    hooks = Recorder(lambda asked: "interrupt" if asked > after else None)
    with pytest.raises(TrainingInterrupted):
        run(recipe, tmp_path / "parts", hooks, checkpoint=place)
    assert not (tmp_path / "parts").exists()
    # Without a random seed: the checkpoint's is gone on with.
    parts = run(recipe, tmp_path / "parts", checkpoint=place, random_seed=None)
    assert parts.random_seed == whole.random_seed
    for one, other in zip(parts.curve, whole.curve, strict=True):
        assert one.train_loss == pytest.approx(other.train_loss, abs=1e-4)
        assert one.heldout_loss == pytest.approx(other.heldout_loss, abs=1e-4)
    one_weights, other_weights = (load(tmp_path / name)[1] for name in ("parts", "whole"))
    for name, weight in one_weights.items():
        np.testing.assert_allclose(weight, other_weights[name], atol=1e-3)


def test_cancel_and_finish(tmp_path: Path) -> None:
    with pytest.raises(TrainingCancelled):
        run("char", tmp_path / "cancelled", Recorder(lambda asked: "cancel" if asked > 3 else None))
    assert not (tmp_path / "cancelled").exists()
    result = run("char", tmp_path / "finished", Recorder(lambda asked: "finish" if asked > 3 else None), epochs=50)
    assert result.stopped == "finish"
    assert result.epochs == 1
    assert load(tmp_path / "finished")[0].training.stopped == "finish"


def test_finish_before_the_first_step_still_gives_a_model(tmp_path: Path) -> None:
    result = run("char", tmp_path / "model", Recorder(lambda _: "finish"))
    assert result.epochs == 0
    assert load(tmp_path / "model")[1]


def test_minutes_end_the_training(tmp_path: Path) -> None:
    result = run("char", tmp_path / "model", epochs=None, minutes=0.02)
    assert result.stopped in ("time", "early")
    assert result.heldout_loss is not None


def test_no_progress_stops_early(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(StreamsLearner, "heldout", lambda self, poll: 3.0)
    result = run("char", tmp_path / "model", epochs=20)
    assert result.stopped == "early"
    assert result.epochs == 6
    assert best_point(result.curve).epoch == 1


@pytest.mark.parametrize("options", [{"epochs": 10**6}, {"minutes": 1e6}])
def test_options_out_of_range_are_refused(options: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(UserError, match="allows"):
        run("char", tmp_path / "model", **options)


def test_a_loss_that_is_no_number_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(StreamsLearner, "step", lambda self, index, rate: (float("nan"), 1))
    with pytest.raises(UserError, match="no longer a number"):
        run("char", tmp_path / "model")


def test_a_foreign_checkpoint_is_refused_and_a_damaged_one_begins_anew(tmp_path: Path) -> None:
    place = tmp_path / "checkpoint"
    with pytest.raises(TrainingInterrupted):
        run("char", tmp_path / "model", Recorder(lambda asked: "interrupt" if asked > 2 else None), checkpoint=place)
    with pytest.raises(UserError, match="another text"):
        run("char", tmp_path / "model", checkpoint=place, random_seed=6)
    (path,) = place.iterdir()
    path.write_bytes(path.read_bytes()[:1000])
    result = run("char", tmp_path / "model", checkpoint=place)
    assert any("anew" in note for note in result.notes)
    assert result.epochs == 2


def test_checkpoints_come_with_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "CHECKPOINT_EVERY_S", 0.0)
    seen: list[int] = []

    def stop(asked: int) -> Any:
        saved = checkpoint.load(tmp_path / "checkpoint")
        seen.append(saved[1]["at"]["step"] if saved else -1)
        return "cancel" if asked > 4 else None

    with pytest.raises(TrainingCancelled):
        run("char", tmp_path / "model", Recorder(stop), checkpoint=tmp_path / "checkpoint")
    assert seen == [-1, 1, 2, 3, 4]


def test_learning_by_heart_is_told_in_plain_words() -> None:
    from worker.model.train import _warnings

    curve = (CurvePoint(1, 2.0, 2.1), CurvePoint(2, 1.2, 1.9), CurvePoint(3, 0.6, 2.4))
    notes = _warnings(curve)
    assert "epoch 2" in notes[0]
    assert "longer text" in notes[1]
    assert _warnings((CurvePoint(1, 2.0, 2.1),)) == ()
    assert _warnings((CurvePoint(1, 2.0),)) == ()


@pytest.mark.parametrize("characters", [180, 181, 500, 5_000, 12_345])
def test_streams_fit_small_texts(characters: int) -> None:
    text = babble(characters * 10 // 9 + 3)
    prepared = prepare(text)
    plan = make_plan("char", prepared.distinct, prepared.learned)
    plan = plan.model_copy(update={"network": plan.network.model_copy(update={"units": (8,)})})
    learner = make_learner(plan, prepared, 1)
    assert isinstance(learner, StreamsLearner)
    learner.begin_epoch(1)
    loss, count = learner.step(learner.steps - 1, 1e-3)
    assert np.isfinite(loss)
    assert count == plan.batch * plan.length
    assert learner.steps * count <= prepared.learned
    heldout = learner.heldout(lambda: None)
    assert heldout == pytest.approx(np.log(prepared.distinct), abs=0.5)


def test_heldout_is_read_once_and_whole() -> None:
    from worker.model.learners import _heldout_streams

    prepared = prepare(TEXT)
    judged = _heldout_streams(prepared, 32)
    assert judged is not None
    _, targets, counted = judged
    assert sorted(targets[counted]) == sorted(prepared.heldout)
    np.testing.assert_array_equal(targets[counted], prepared.heldout)


def test_an_epoch_of_windows_shows_each_once() -> None:
    prepared = prepare(TEXT, TextOptions("classic"))
    learner = make_learner(small_plan("classic"), prepared, 1)
    assert isinstance(learner, WindowsLearner)
    learner.begin_epoch(1)
    assert learner.steps == -(-prepared.patterns // 64)
    counts = [learner.step(index, 0.0)[1] for index in range(learner.steps)]
    assert sum(counts) == prepared.patterns
    assert sorted(learner._order) == list(range(prepared.patterns))
