"""Going on from a model: on its own text, and on another."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from galvanic.errors import UserError
from galvanic.learners import StreamsLearner
from galvanic.model_file import load, save
from galvanic.options import RecipeName, TrainOptions
from galvanic.parent import child_plan, grown, load_parent
from galvanic.results import TrainingInterrupted, best_point
from galvanic.text import make_vocabulary, prepare
from tests.galvanic.test_train import TEXT, run, small_plan
from tests.worker.hostile import apart
from tests.worker.small import description_of, keras_logits, network, random_weights, windows
from tests.worker.texts import Recorder, babble

pytestmark = pytest.mark.slow

OTHER = babble(2_500, seed=4).replace("storm", "été ☔").replace("sailor", "Wächter")
"""A text with symbols that `TEXT` has not, and without some that it has."""
PARENT_EPOCHS = 16


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of `TEXT`."""
    path = tmp_path_factory.mktemp("parents") / "char"
    run("char", path, epochs=PARENT_EPOCHS, learning_rate=0.05)
    return path


@pytest.mark.parametrize("recipe", ["char", "word"])
def test_a_grown_vocabulary_keeps_what_is_known_to_the_bit(recipe: RecipeName, tmp_path: Path) -> None:
    known = prepare(TEXT, recipe).vocabulary.symbols
    config = network(len(known))
    save(tmp_path / recipe, description_of(known, config, recipe), random_weights(config), windows(len(known)))
    parent = load_parent(tmp_path / recipe, None, TrainOptions(recipe=recipe))
    vocabulary = make_vocabulary(recipe, ("☔", *known, "é"))
    counts = np.array([{"é": 30, "☔": 0}.get(symbol, 10) for symbol in vocabulary.symbols])
    weights = grown(parent, vocabulary.symbols, counts, np.random.default_rng(0))
    larger = child_plan(small_plan(recipe), parent, len(vocabulary)).network
    assert {name: array.shape for name, array in weights.items()} == larger.shapes()

    place = [vocabulary.symbols.index(symbol) for symbol in known]
    rows = "embedding/embeddings"
    np.testing.assert_array_equal(weights[rows][place], parent.weights[rows])
    np.testing.assert_array_equal(weights["output/kernel"][:, place], parent.weights["output/kernel"])
    np.testing.assert_array_equal(weights["output/bias"][place], parent.weights["output/bias"])
    for other in weights.keys() - {rows, "output/kernel", "output/bias"}:
        np.testing.assert_array_equal(weights[other], parent.weights[other])

    text = make_vocabulary(recipe, known).encode(TEXT[:200])
    theirs = keras_logits(parent.description.network, parent.weights, text)
    ours = keras_logits(larger, weights, vocabulary.encode(TEXT[:200]))
    np.testing.assert_allclose(ours[:, place], theirs, atol=1e-4)
    # The new ones have some probability, and not so much that they drown the rest.
    shares = np.exp(ours) / np.exp(ours).sum(1, keepdims=True)
    new = [vocabulary.symbols.index(symbol) for symbol in "é☔"]
    assert (shares[:, new] > 0).all()
    assert shares[:, new].sum(1).mean() < 0.25
    assert weights["output/bias"][new[0]] > weights["output/bias"][new[1]]


def test_another_text_is_learned_from_what_is_known(trained: Path, tmp_path: Path) -> None:
    """And its own child knows both."""
    child = run("char", tmp_path / "child", text=OTHER, parent=trained, epochs=2)
    fresh = run("char", tmp_path / "fresh", text=OTHER, plan=small_plan("char", OTHER), epochs=1)
    assert child.curve[0].train_loss < fresh.curve[0].train_loss
    assert [point.epoch for point in child.curve] == [1, 2]
    assert child.epochs_before == PARENT_EPOCHS
    description, _, kept, _ = load(tmp_path / "child")
    assert set(load(trained)[0].symbols) < set(description.symbols)
    vocabulary = make_vocabulary("char", description.symbols)
    assert vocabulary.decode(kept[0]) in OTHER
    assert "☔" in "".join(vocabulary.decode(window) for window in kept)

    # Options that agree are allowed, and what is dropped may be chosen.
    options: dict[str, Any] = {"plan": None, "units": 32, "layers": 1, "dropout": 0.2, "epochs": 1}
    run("char", tmp_path / "grandchild", text=OTHER, parent=tmp_path / "child", **options)
    described = apart((tmp_path / "grandchild").read_bytes())[0]
    lineage = described["lineage"]
    assert [ancestor["name"] for ancestor in lineage] == ["char", "child"]
    assert [ancestor["epochs"] for ancestor in lineage] == [PARENT_EPOCHS, 2]
    assert lineage[0]["weights_sha256"] == load(trained)[0].weights_sha256
    assert lineage[0]["corpus"]["title"] == "Made up"
    assert described["training"]["epochs_before"] == PARENT_EPOCHS + 2
    assert described["network"]["dropout"] == 0.2


@pytest.mark.parametrize(
    "recipe", ["char", *(pytest.param(one, marks=pytest.mark.long) for one in ("word", "classic"))]
)
def test_more_training_is_never_worse(recipe: str, trained: Path, tmp_path: Path) -> None:
    if recipe != "char":
        trained = tmp_path / recipe
        run(recipe, trained, epochs=PARENT_EPOCHS, learning_rate=0.05)
    before = load(trained)[0].training
    loss = before.train_loss if before.heldout_loss is None else before.heldout_loss
    result = run(recipe, tmp_path / "more", parent=trained, epochs=2)
    watched = result.train_loss if result.heldout_loss is None else result.heldout_loss
    assert result.curve[0].epoch == 0
    # Nobody notes the parent's loss without its companion after the last step, which only makes it better.
    assert result.curve[0].watched <= best_point(before.curve).watched + 1e-4
    assert watched <= loss + 1e-3
    assert load(tmp_path / "more")[0].training.epochs_before == before.epochs


def test_training_that_makes_it_worse_leaves_it_as_it_was(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = StreamsLearner.step

    def worse(self: StreamsLearner, index: int, rate: float) -> tuple[float, int]:
        self.set_weights({name: weight * 3 for name, weight in self.weights().items()})
        return step(self, index, rate)

    monkeypatch.setattr(StreamsLearner, "step", worse)
    result = run("char", tmp_path / "more", parent=trained, epochs=2)
    assert any("as it was before" in note for note in result.notes)
    for name, weight in load(trained)[1].items():
        np.testing.assert_array_equal(load(tmp_path / "more")[1][name], weight)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"recipe": "word"}, "recipe `char`"),
        ({"units": 24}, "--units 32"),
        ({"layers": 2}, "--layers 1"),
        ({"embedding": 16}, "--embedding"),
    ],
)
def test_what_a_model_cannot_become_is_refused(
    options: dict[str, Any], message: str, trained: Path, tmp_path: Path
) -> None:
    recipe = options.pop("recipe", "char")
    with pytest.raises(UserError, match=message):
        run(recipe, tmp_path / "child", parent=trained, plan=None, **options)


@pytest.mark.long
def test_an_interrupted_child_ends_as_an_uninterrupted_one(trained: Path, tmp_path: Path) -> None:
    for text in (TEXT, OTHER):
        whole = run("char", tmp_path / "whole", text=text, parent=trained)
        place = tmp_path / f"checkpoint-{text is TEXT}"
        for after in (1, 6):
            hooks = Recorder(lambda asked, after=after: "interrupt" if asked > after else None)  # type: ignore[misc]
            with pytest.raises(TrainingInterrupted):
                run("char", tmp_path / "parts", hooks, text=text, parent=trained, checkpoint=place)
        with pytest.raises(UserError, match="another model to start from"):
            run("char", tmp_path / "parts", text=text, checkpoint=place)
        parts = run("char", tmp_path / "parts", text=text, parent=trained, checkpoint=place)
        assert parts.curve == whole.curve
