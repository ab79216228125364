"""A training that was interrupted ends as if it had not been."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from galvanic.errors import UserError
from galvanic.learners import make_learner
from galvanic.model_file import load
from galvanic.results import TrainingInterrupted
from galvanic.text import TextOptions, prepare
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
    steps = make_learner(plan, prepare(TEXT, TextOptions(recipe)), 1).steps
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
def test_a_foreign_checkpoint_is_refused(change: dict[str, float], interrupted: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="another text"):
        run("char", tmp_path / "model", checkpoint=interrupted, **change)


def test_a_damaged_checkpoint_is_started_over(interrupted: Path, tmp_path: Path) -> None:
    place = Path(shutil.copytree(interrupted, tmp_path / "checkpoint"))
    (path,) = place.iterdir()
    path.write_bytes(path.read_bytes()[:1000])
    result = run("char", tmp_path / "model", checkpoint=place, epochs=1)
    assert any("started over" in note for note in result.notes)
    assert result.epochs == 1
