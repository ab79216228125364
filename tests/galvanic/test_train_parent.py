"""Going on from a model: on its own text, and on another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from galvanic.learners import StreamsLearner
from galvanic.model_file import load
from galvanic.network import build, set_weights
from galvanic.parent import child_plan, grown, load_parent
from galvanic.results import TrainingInterrupted, TrainResult
from galvanic.text import make_vocabulary
from shared.errors import UserError
from shared.jobs import TrainOptions
from tests.galvanic.test_train import TEXT, run, small_plan
from tests.worker.hostile import apart
from tests.worker.texts import Recorder, babble

pytestmark = pytest.mark.slow

OTHER = babble(2_500, seed=4).replace("storm", "été ☔").replace("sailor", "Wächter")
"""A text with symbols that `TEXT` has not, and without some that it has."""
PARENT_EPOCHS = 16


class Parents(dict[str, Path]):
    """A model of each recipe, and one that reads one-hot; each is trained when it is first asked for."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder

    def __missing__(self, name: str) -> Path:
        if name == "one-hot":
            run("char", self._folder / name, plan=None, encoding="one-hot", units=16)
        else:
            run(name, self._folder / name, epochs=PARENT_EPOCHS, learning_rate=0.05)
        self[name] = self._folder / name
        return self[name]


@pytest.fixture(scope="module")
def parents(tmp_path_factory: pytest.TempPathFactory) -> Parents:
    return Parents(tmp_path_factory.mktemp("parents"))


def logits(folder_weights: dict[str, Any], network: Any, ids: Any) -> Any:
    model = build(network)
    set_weights(model, folder_weights)
    states = [np.zeros((1, units), np.float32) for units in network.units for _ in "hc"]
    return np.asarray(model([np.asarray(ids, np.int32)[None], *states])[0][0])


@pytest.mark.parametrize("name", ["char", "word", "one-hot"])
def test_a_grown_vocabulary_keeps_what_is_known_to_the_bit(name: str, parents: dict[str, Path]) -> None:
    recipe = "char" if name == "one-hot" else name
    parent = load_parent(parents[name], None, TrainOptions(recipe=recipe))
    known = parent.description.symbols
    vocabulary = make_vocabulary(recipe, ("☔", *known, "é"))
    counts = np.array([{"é": 30, "☔": 0}.get(symbol, 10) for symbol in vocabulary.symbols])
    weights = grown(parent, vocabulary.symbols, counts, np.random.default_rng(0))
    network = child_plan(small_plan(recipe), parent, len(vocabulary), TrainOptions(recipe=recipe)).network
    assert {name: array.shape for name, array in weights.items()} == network.shapes()

    place = [vocabulary.symbols.index(symbol) for symbol in known]
    rows = "lstm_0/lstm_cell/kernel" if name == "one-hot" else "embedding/embeddings"
    np.testing.assert_array_equal(weights[rows][place], parent.weights[rows])
    np.testing.assert_array_equal(weights["output/kernel"][:, place], parent.weights["output/kernel"])
    np.testing.assert_array_equal(weights["output/bias"][place], parent.weights["output/bias"])
    for other in weights.keys() - {rows, "output/kernel", "output/bias"}:
        np.testing.assert_array_equal(weights[other], parent.weights[other])

    text = make_vocabulary(recipe, known).encode(TEXT[:200])
    theirs = logits(parent.weights, parent.description.network, text)
    ours = logits(weights, network, vocabulary.encode(TEXT[:200]))
    np.testing.assert_allclose(ours[:, place], theirs, atol=1e-4)
    # The new ones have some probability, and not so much that they drown the rest.
    shares = np.exp(ours) / np.exp(ours).sum(1, keepdims=True)
    new = [vocabulary.symbols.index(symbol) for symbol in "é☔"]
    assert (shares[:, new] > 0).all()
    assert shares[:, new].sum(1).mean() < 0.25
    assert weights["output/bias"][new[0]] > weights["output/bias"][new[1]]


@pytest.mark.parametrize("recipe", ["char", "word"])
def test_another_text_is_learned_from_what_is_known(recipe: str, parents: dict[str, Path], tmp_path: Path) -> None:
    child = run(recipe, tmp_path / "child", text=OTHER, parent=parents[recipe], epochs=2)
    fresh = run(recipe, tmp_path / "fresh", text=OTHER, plan=small_plan(recipe, OTHER), epochs=2)
    assert child.curve[0].train_loss < fresh.curve[0].train_loss
    assert [point.epoch for point in child.curve] == [1, 2]
    assert child.epochs_before == PARENT_EPOCHS
    description, _, windows = load(tmp_path / "child")
    assert set(load(parents[recipe])[0].symbols) < set(description.symbols)
    vocabulary = make_vocabulary(recipe, description.symbols)
    assert vocabulary.decode(windows[0]) in OTHER
    assert "☔" in "".join(vocabulary.decode(window) for window in windows)


@pytest.mark.parametrize("recipe", ["char", "word", pytest.param("classic", marks=pytest.mark.long)])
def test_more_training_is_never_worse(recipe: str, parents: dict[str, Path], tmp_path: Path) -> None:
    before = load(parents[recipe])[0].training
    loss = before.train_loss if before.heldout_loss is None else before.heldout_loss
    result = run(recipe, tmp_path / "more", parent=parents[recipe], epochs=2)
    watched = result.train_loss if result.heldout_loss is None else result.heldout_loss
    assert result.curve[0].epoch == 0
    assert result.curve[0].watched == pytest.approx(loss, abs=1e-4)
    assert watched <= loss + 1e-4
    assert load(tmp_path / "more")[0].training.epochs_before == PARENT_EPOCHS


def test_training_that_makes_it_worse_leaves_it_as_it_was(
    parents: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = StreamsLearner.step

    def worse(self: StreamsLearner, index: int, rate: float) -> tuple[float, int]:
        self.set_weights({name: weight * 3 for name, weight in self.weights().items()})
        return step(self, index, rate)

    monkeypatch.setattr(StreamsLearner, "step", worse)
    result = run("char", tmp_path / "more", parent=parents["char"], epochs=2)
    assert any("as it was before" in note for note in result.notes)
    for name, weight in load(parents["char"])[1].items():
        np.testing.assert_array_equal(load(tmp_path / "more")[1][name], weight)


def test_the_lineage_is_kept(parents: dict[str, Path], tmp_path: Path) -> None:
    run("char", tmp_path / "child", text=OTHER, parent=parents["char"], epochs=1)
    run("char", tmp_path / "grandchild", text=OTHER, parent=tmp_path / "child", epochs=2)
    lineage = apart((tmp_path / "grandchild").read_bytes())[0]["lineage"]
    assert [ancestor["name"] for ancestor in lineage] == ["char", "child"]
    assert [ancestor["epochs"] for ancestor in lineage] == [PARENT_EPOCHS, 1]
    assert lineage[0]["weights_sha256"] == load(parents["char"])[0].weights_sha256
    assert lineage[0]["corpus"]["title"] == "Made up"
    assert load(tmp_path / "grandchild")[0].training.epochs_before == PARENT_EPOCHS + 1


def test_the_learning_rate_is_smaller_unless_chosen(parents: dict[str, Path]) -> None:
    parent = load_parent(parents["char"], None, TrainOptions())
    plan = small_plan("char")
    size = len(parent.description.symbols)
    assert child_plan(plan, parent, size, TrainOptions()).learning_rate == plan.learning_rate / 2
    assert child_plan(plan, parent, size, TrainOptions(learning_rate=0.1)).learning_rate == plan.learning_rate


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("char", {"recipe": "word"}, "recipe `char`"),
        ("char", {"units": 32}, "--units 24"),
        ("char", {"layers": 2}, "--layers 1"),
        ("char", {"embedding": 16}, "--embedding"),
        ("char", {"encoding": "one-hot"}, "--encoding embedding"),
    ],
)
def test_what_a_model_cannot_become_is_refused(
    name: str, options: dict[str, Any], message: str, parents: dict[str, Path], tmp_path: Path
) -> None:
    recipe = options.pop("recipe", "char")
    with pytest.raises(UserError, match=message):
        run(recipe, tmp_path / "child", parent=parents[name], plan=None, **options)


def test_a_classic_model_learns_no_new_characters(classic: tuple[Path, TrainResult], tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot learn new ones"):
        run("classic", tmp_path / "child", parent=classic[0], plan=None, text=OTHER)


def test_options_that_agree_are_allowed(parents: dict[str, Path], tmp_path: Path) -> None:
    run("char", tmp_path / "child", parent=parents["char"], plan=None, units=24, layers=1, dropout=0.2, epochs=1)
    assert load(tmp_path / "child")[0].network.dropout == 0.2


def test_a_parent_that_is_no_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no model"):
        run("char", tmp_path / "child", parent=tmp_path / "nothing")


@pytest.mark.long
def test_an_interrupted_child_ends_as_an_uninterrupted_one(parents: dict[str, Path], tmp_path: Path) -> None:
    for text in (TEXT, OTHER):
        whole = run("char", tmp_path / "whole", text=text, parent=parents["char"])
        place = tmp_path / f"checkpoint-{text is TEXT}"
        for after in (1, 6):
            hooks = Recorder(lambda asked, after=after: "interrupt" if asked > after else None)
            with pytest.raises(TrainingInterrupted):
                run("char", tmp_path / "parts", hooks, text=text, parent=parents["char"], checkpoint=place)
        with pytest.raises(UserError, match="another model to start from"):
            run("char", tmp_path / "parts", text=text, checkpoint=place)
        parts = run("char", tmp_path / "parts", text=text, parent=parents["char"], checkpoint=place)
        assert parts.curve == whole.curve
