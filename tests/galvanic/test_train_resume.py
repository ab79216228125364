"""A training that was interrupted ends as if it had not been."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from galvanic import checkpoint, training
from galvanic.errors import UserError
from galvanic.learners import make_learner
from galvanic.model_file import load
from galvanic.results import TrainingInterrupted
from galvanic.text import prepare
from tests.galvanic.test_train import TEXT, run, small_plan
from tests.worker.texts import Recorder

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("recipe", "precision"),
    [
        ("char", "bfloat16"),
        pytest.param("char", "float32", marks=pytest.mark.long),
        pytest.param("word", "float32", marks=pytest.mark.long),
        pytest.param("classic", "float32", marks=pytest.mark.long),
    ],
)
def test_resumed_equals_uninterrupted(recipe: str, precision: str, tmp_path: Path) -> None:
    """Interrupted in the second epoch; anywhere else: `test_loop`."""
    plan = small_plan(recipe).model_copy(update={"precision": precision})
    assert plan.network.dropout > 0
    steps = make_learner(plan, prepare(TEXT, recipe), 1).steps
    whole = run(recipe, tmp_path / "whole", plan=plan, epochs=2)
    # Asked once a step, and now and then while an epoch is judged.
    hooks = Recorder(lambda asked: "interrupt" if asked > 5 + steps else None)
    folder, place = tmp_path / "parts", tmp_path / "checkpoint"
    with pytest.raises(TrainingInterrupted):
        run(recipe, folder, hooks, plan=plan, epochs=2, checkpoint=place)
    assert not folder.exists()
    # Without a random seed: the checkpoint's is gone on with.
    parts = run(recipe, folder, plan=plan, epochs=2, checkpoint=place, random_seed=None)
    assert parts.random_seed == whole.random_seed
    assert parts.curve == whole.curve
    assert parts.samples == whole.samples
    assert parts.heldout_loss == whole.heldout_loss
    loaded = [load(path) for path in (folder, tmp_path / "whole")]
    one, other = ({**weights, **(table.arrays if table else {})} for _, weights, _, table in loaded)
    assert one.keys() == other.keys()
    for name, array in one.items():
        np.testing.assert_array_equal(array, other[name])


@pytest.fixture(scope="module")
def interrupted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkpoint of a training that was interrupted in its first epoch."""
    place = tmp_path_factory.mktemp("interrupted") / "checkpoint"
    with pytest.raises(TrainingInterrupted):
        run("char", place.parent / "x", Recorder(lambda asked: "interrupt" if asked > 5 else None), checkpoint=place)
    return place


@pytest.mark.parametrize("change", [{"random_seed": 6}, {"dropout": 0.25}, {"batch": 4}])
def test_a_foreign_checkpoint_is_refused(change: dict[str, Any], interrupted: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="another text"):
        run("char", tmp_path / "model", checkpoint=interrupted, **change)


def test_a_damaged_checkpoint_is_started_over(interrupted: Path, tmp_path: Path) -> None:
    place = Path(shutil.copytree(interrupted, tmp_path / "checkpoint"))
    (path,) = place.iterdir()
    path.write_bytes(path.read_bytes()[:1000])
    result = run("char", tmp_path / "model", checkpoint=place, epochs=1)
    assert any("started over" in note for note in result.notes)
    assert result.epochs == 1


def test_a_resumed_training_keeps_its_plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new one might be another: it may depend on how fast the machine was at that moment."""
    place = tmp_path / "checkpoint"
    options = {"plan": None, "units": 16, "length": 32, "checkpoint": place}
    with pytest.raises(TrainingInterrupted):
        run("char", tmp_path / "model", Recorder(lambda asked: "interrupt" if asked > 6 else None), **options)
    slower = small_plan("char").model_copy(update={"batch": 2, "learning_rate": 1e-4, "epochs": 7})
    monkeypatch.setattr(training, "make_plan", lambda *_, **__: slower)
    before = checkpoint.load(place) or pytest.fail("no checkpoint")
    with pytest.raises(TrainingInterrupted):
        run("char", tmp_path / "model", Recorder(lambda asked: "interrupt" if asked > 6 else None), **options)
    after = checkpoint.load(place) or pytest.fail("no checkpoint")
    assert after[1]["at"]["total_steps"] > before[1]["at"]["total_steps"]
    assert after[1]["plan"] == before[1]["plan"] != slower.model_dump(mode="json")


def test_a_checkpoint_of_another_network_or_version_is_refused(interrupted: Path, tmp_path: Path) -> None:
    arrays, record = checkpoint.load(interrupted) or pytest.fail("no checkpoint")
    less = {name: array for name, array in arrays.items() if name != "learner/weights/output/bias"}
    for number, saved in enumerate([(less, record), (arrays, {**record, "at": {"epoch": "x"}}), (arrays, {})]):
        checkpoint.save(tmp_path / str(number), *saved)
        with pytest.raises(training.OtherCheckpoint):
            run("char", tmp_path / "model", checkpoint=tmp_path / str(number))
