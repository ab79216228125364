"""Model files, writing and scoring, also of several networks in one model."""

import math
from pathlib import Path

import numpy as np
import pytest

from galvanic.generate import load_model, predictor
from galvanic.model_file import load
from galvanic.options import TrainOptions
from galvanic.plan import NetworkConfig, Plan, split_members
from galvanic.predictor import CHUNK
from galvanic.results import TrainResult
from galvanic.sampling import Sampling
from galvanic.text.recipe import UNICODE_SCALARS
from galvanic.training import train
from tests.worker.small import draw, keras_logits
from tests.worker.texts import SENTENCE, Memorised, Recorder, babble, corpus

pytestmark = pytest.mark.slow


def test_continues_what_it_memorised(memorised: Memorised) -> None:
    model = load_model(memorised[0])
    written = model.generate("A small red", length=200, temperature=0, random_seed=1, guard=False)
    assert ("A small red" + written.text).startswith((SENTENCE * 4).rstrip())
    assert written.text.endswith("dawn.")
    assert model.score(SENTENCE * 20).nats_per_char < 0.3


@pytest.mark.parametrize("recipe", ["char", "classic"])
def test_temperature_zero_is_the_likeliest_each_time(recipe: str, memorised: Memorised, classic: Path) -> None:
    folder = memorised[0] if recipe == "char" else classic
    description, weights, windows, _ = load(folder)
    reader = predictor(description.network, weights)
    seed = windows[0].astype(np.int32)
    written = draw(reader, seed, CHUNK + 7, Sampling(0.0), np.random.default_rng(0))
    np.testing.assert_array_equal(written, draw(reader, seed, CHUNK + 7, Sampling(0.0), np.random.default_rng(1)))
    logits = keras_logits(description.network, weights, np.concatenate([seed, written])[:-1])[-len(written) :]
    # Ties and near ties may fall either way: written with whole steps (`galvanic.kernels`), read with floats.
    assert (logits.max(1) - logits[np.arange(len(written)), written] < 1e-3).all()


def test_from_corpus_begins_with_a_window_of_it(memorised: Memorised, classic: Path) -> None:
    written = load_model(memorised[0]).generate("", length=20, from_corpus=True)
    assert written.seed in SENTENCE * 10
    written = load_model(classic).generate("", length=20, from_corpus=True)
    assert len(written.seed) == 100
    assert written.temperature == 0


def test_unseen_characters_are_told_and_charged(memorised: Memorised) -> None:
    model = load_model(memorised[0])
    written = model.generate("red § boat", length=10)
    assert "§" in written.notes[0]
    plain, strange = model.score(SENTENCE * 3), model.score(SENTENCE * 3 + "§")
    added = strange.nats_per_char * strange.chars - plain.nats_per_char * plain.chars
    assert added == pytest.approx(math.log(UNICODE_SCALARS / model.description.unseen), rel=1e-3)
    assert strange.bits_per_char == pytest.approx(strange.nats_per_char / math.log(2))
    assert model.score("§§").nats_per_char > 10


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
