"""A training that was interrupted ends as if it had not been."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from galvanic import checkpoint, training
from galvanic.learners import make_learner
from galvanic.model_file import load
from galvanic.results import TrainingInterrupted
from galvanic.text import TextOptions, prepare
from shared.errors import UserError
from tests.worker.test_train import TEXT, run, small_plan
from tests.worker.texts import Recorder

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("recipe", "precision"),
    [
        ("char", "float32"),
        ("char", "bfloat16"),
        pytest.param("word", "float32", marks=pytest.mark.long),
        pytest.param("classic", "float32", marks=pytest.mark.long),
    ],
)
def test_resumed_equals_uninterrupted(recipe: str, precision: str, tmp_path: Path) -> None:
    """Interrupted in the first epoch, and in the second."""
    plan = small_plan(recipe).model_copy(update={"precision": precision})
    assert plan.network.dropout > 0
    steps = make_learner(plan, prepare(TEXT, TextOptions(recipe)), 1).steps
    whole = run(recipe, tmp_path / "whole", plan=plan, epochs=2)
    for epochs_before in (0, 1):
        # Asked once a step, and now and then while an epoch is judged.
        after = 2 + epochs_before * steps
        folder, place = tmp_path / f"parts-{epochs_before}", tmp_path / f"checkpoint-{epochs_before}"
        hooks = Recorder(lambda asked, after=after: "interrupt" if asked > after else None)  # type: ignore[misc]
        with pytest.raises(TrainingInterrupted):
            run(recipe, folder, hooks, plan=plan, epochs=2, checkpoint=place)
        assert not folder.exists()
        saved = checkpoint.load(place)
        assert saved is not None
        assert saved[1]["at"]["total_steps"] > 0
        # Without a random seed: the checkpoint's is gone on with.
        parts = run(recipe, folder, plan=plan, epochs=2, checkpoint=place, random_seed=None)
        assert parts.random_seed == whole.random_seed
        assert parts.curve == whole.curve
        assert parts.samples == whole.samples
        one_weights, other_weights = (load(path)[1] for path in (folder, tmp_path / "whole"))
        for name, weight in one_weights.items():
            np.testing.assert_array_equal(weight, other_weights[name])


def test_the_clock_runs_over_all_attempts(tmp_path: Path) -> None:
    place = tmp_path / "checkpoint"
    options = {"epochs": None, "minutes": 0.1, "checkpoint": place}
    with pytest.raises(TrainingInterrupted):
        run("char", tmp_path / "model", Recorder(lambda asked: "interrupt" if asked > 3 else None), **options)
    arrays, record = checkpoint.load(place) or pytest.fail("no checkpoint")
    assert record["at"]["seconds"] > 0
    record["at"]["seconds"] = 1_000.0
    checkpoint.save(place, arrays, record)
    result = run("char", tmp_path / "model", **options)
    assert result.stopped == "time"
    assert result.seconds >= 1_000
    assert result.epochs == 1


def test_a_resumed_training_keeps_its_plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new one might be another: it may depend on how fast the machine was at that moment."""
    place = tmp_path / "checkpoint"
    options = {"plan": None, "units": 16, "length": 32, "checkpoint": place}
    with pytest.raises(TrainingInterrupted):
        run("char", tmp_path / "model", Recorder(lambda asked: "interrupt" if asked > 3 else None), **options)
    slower = small_plan("char").model_copy(update={"batch": 2, "learning_rate": 1e-4, "epochs": 7})
    monkeypatch.setattr(training, "make_plan", lambda *_, **__: slower)
    before = checkpoint.load(place) or pytest.fail("no checkpoint")
    with pytest.raises(TrainingInterrupted):
        run("char", tmp_path / "model", Recorder(lambda asked: "interrupt" if asked > 3 else None), **options)
    after = checkpoint.load(place) or pytest.fail("no checkpoint")
    assert after[1]["at"]["total_steps"] > before[1]["at"]["total_steps"]
    assert after[1]["plan"] == before[1]["plan"] != slower.model_dump(mode="json")


@pytest.mark.parametrize("change", [{"random_seed": 6}, {"dropout": 0.25}, {"batch": 4}])
def test_a_foreign_checkpoint_is_refused(change: dict[str, float], tmp_path: Path) -> None:
    place = tmp_path / "checkpoint"
    with pytest.raises(TrainingInterrupted):
        run("char", tmp_path / "model", Recorder(lambda asked: "interrupt" if asked > 2 else None), checkpoint=place)
    with pytest.raises(UserError, match="another text"):
        run("char", tmp_path / "model", checkpoint=place, **change)


def test_a_damaged_checkpoint_is_started_over(tmp_path: Path) -> None:
    place = tmp_path / "checkpoint"
    with pytest.raises(TrainingInterrupted):
        run("char", tmp_path / "model", Recorder(lambda asked: "interrupt" if asked > 2 else None), checkpoint=place)
    (path,) = place.iterdir()
    path.write_bytes(path.read_bytes()[:1000])
    result = run("char", tmp_path / "model", checkpoint=place)
    assert any("started over" in note for note in result.notes)
    assert result.epochs == 2


def test_a_checkpoint_of_another_network_is_refused(tmp_path: Path) -> None:
    place = tmp_path / "checkpoint"
    with pytest.raises(TrainingInterrupted):
        run("char", tmp_path / "model", Recorder(lambda asked: "interrupt" if asked > 2 else None), checkpoint=place)
    arrays, record = checkpoint.load(place) or pytest.fail("no checkpoint")
    arrays.pop("learner/weights/output/bias")
    checkpoint.save(place, arrays, record)
    with pytest.raises(training.OtherCheckpoint):
        run("char", tmp_path / "model", checkpoint=place)
