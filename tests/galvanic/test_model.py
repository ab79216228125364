"""Model folders, writing and scoring."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from galvanic.generate import load_model, predictor
from galvanic.model_file import load
from galvanic.predictor import CHUNK
from galvanic.sampling import Sampling
from galvanic.text.recipe import UNICODE_SCALARS
from tests.worker.small import draw, keras_logits
from tests.worker.texts import SENTENCE, Memorised

pytestmark = pytest.mark.slow


def test_the_loop_reads_as_the_saved_network_does(memorised: Memorised) -> None:
    description, weights, _, _ = load(memorised[0])
    ids = load_model(memorised[0]).vocabulary.encode(SENTENCE * 3)
    expected = tf.nn.log_softmax(keras_logits(description.network, weights, ids[:-1])).numpy()
    reader = predictor(description.network, weights)
    log_probs = reader.read(ids)
    np.testing.assert_allclose(log_probs[1:], expected[np.arange(len(ids) - 1), ids[1:]], atol=5e-4)
    assert log_probs[0] == pytest.approx(-math.log(len(description.symbols)))


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
