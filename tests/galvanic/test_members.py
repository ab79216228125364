"""Several networks in one model: trained side by side, averaged when they predict."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from galvanic.generate import load_model, predictor
from galvanic.model_file import load
from galvanic.options import TrainOptions
from galvanic.plan import NetworkConfig, Plan, split_members
from galvanic.results import TrainResult
from galvanic.training import train
from tests.worker.texts import Recorder, babble, corpus

pytestmark = pytest.mark.slow

TEXT = babble(3_000)
PLAN = Plan(
    network=NetworkConfig(
        kind="streams", vocabulary=1, embedding=8, units=(24, 16), members=2, dropout=0.2, recurrent_weight_dropout=0.2
    ),
    batch=8,
    length=16,
    learning_rate=5e-3,
    schedule="cosine",
    clip_norm=1.0,
    epochs=2,
)


def run(out: Path, checkpoint: Path | None = None, hooks: Recorder | None = None) -> TrainResult:
    vocabulary = len(set(TEXT))
    plan = PLAN.model_copy(update={"network": PLAN.network.model_copy(update={"vocabulary": vocabulary})})
    options = TrainOptions(epochs=2, random_seed=7)
    return train(TEXT, options, corpus(TEXT), out=out, plan=plan, checkpoint=checkpoint, hooks=hooks)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, TrainResult]:
    folder = tmp_path_factory.mktemp("members") / "model"
    return folder, run(folder)


def test_the_prediction_is_the_mean_of_the_members(trained: tuple[Path, TrainResult]) -> None:
    description, weights, _, _ = load(trained[0])
    ids = load_model(trained[0]).vocabulary.encode(TEXT[:300])
    alone = description.network.model_copy(update={"members": 1})
    members = [predictor(alone, own).read(ids) for own in split_members(description.network, weights)]
    assert len(members) == 2
    assert not np.allclose(members[0], members[1])
    together = predictor(description.network, weights).read(ids)
    np.testing.assert_allclose(together, np.log(np.mean(np.exp(members), 0)), atol=1e-5)
    assert together.mean() > np.mean(members)  # Jensen


def test_the_held_out_loss_is_that_of_all_together(trained: tuple[Path, TrainResult]) -> None:
    folder, result = trained
    model = load_model(folder)
    heldout = len(TEXT) // 10
    ids = model.vocabulary.encode(TEXT)
    companion = load(folder)[3]
    assert companion is not None
    before = companion.recounted(ids[:-heldout], "char")
    # Read from the beginning, where the training only reads a lead-in before each held-out stream.
    found = -predictor(model.description.network, load(folder)[1], before).read(ids)[-heldout:].mean()
    assert result.heldout_loss == pytest.approx(found, abs=0.02)
