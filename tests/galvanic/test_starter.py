"""The starter: whether a text is learned from it, what is said of that, and what stays as it was begun."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from galvanic import model_file
from galvanic.cli import main
from galvanic.errors import UserError
from galvanic.facts import facts_of
from galvanic.generate import predictor
from galvanic.model_file import load
from galvanic.options import TrainOptions
from galvanic.results import TrainingInterrupted, TrainResult
from galvanic.starter import bigram_nats, judge, load_starter
from galvanic.text import prepare
from galvanic.training import OtherCheckpoint, train
from tests.galvanic.test_train import run
from tests.worker.texts import Recorder, babble, corpus

pytestmark = pytest.mark.slow

ALIKE = babble(3_000, seed=7).replace("storm", "naïve ☔")
"""Of the starter's words, with two symbols that it lacks."""
UNLIKE = "".join(chr(0x3B1 + place * place % 17) + " " * (place % 5 == 0) for place in range(2_500))


@pytest.fixture(scope="module")
def starter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("starter") / "starter.safetensors"
    run("char", path, text=babble(6_000, seed=3), epochs=16, learning_rate=0.05)
    return path


def begin(out: Path, starter: Path | None, text: str = ALIKE, hooks: Any = None, **options: Any) -> TrainResult:
    places = {"checkpoint": options.pop("checkpoint", None)}
    chosen = TrainOptions(**{"epochs": 1, "random_seed": 5, **options})
    return train(text, chosen, corpus(text), out=out, starter=starter, hooks=hooks, **places)


def test_a_text_that_it_foresees_is_learned_from_it(starter: Path, tmp_path: Path) -> None:
    result = begin(tmp_path / "alike", starter)
    assert (result.parent, result.epochs, result.epochs_before) == ("starter", 1, 0)
    assert result.notes == (), "the card names the starter by itself"
    description, weights, _, _ = load(tmp_path / "alike")
    assert [ancestor.name for ancestor in description.lineage] == ["starter"]
    assert description.network.units == load(starter)[0].network.units
    assert set(ALIKE) <= set(description.symbols)
    assert dict(facts_of(description))["Goes back to"] == "starter"

    further = TrainOptions(epochs=1, start="starter")  # which says nothing where there is a model to go on from
    child = train(ALIKE, further, corpus(ALIKE), out=tmp_path / "child", parent=tmp_path / "alike")
    assert (child.parent, child.epochs_before) == ("alike", 1)
    assert dict(facts_of(load(tmp_path / "child")[0]))["Training"].endswith("s; the models before it: 1 epoch")
    assert child.starter_loss == result.starter_loss is not None  # of the same text
    begin(tmp_path / "again", starter)
    for name, weight in load(tmp_path / "again")[1].items():
        np.testing.assert_array_equal(weight, weights[name])


def test_a_file_of_its_name_is_another_model(starter: Path, tmp_path: Path) -> None:
    result = train(ALIKE, TrainOptions(epochs=1), corpus(ALIKE), out=tmp_path / "child", parent=starter)
    assert result.parent == starter.name == "starter.safetensors"
    assert [ancestor.name for ancestor in load(tmp_path / "child")[0].lineage] == ["starter.safetensors"]


def test_its_own_loss_is_of_all_that_is_held_out(starter: Path, tmp_path: Path) -> None:
    text, (description, weights, *_) = babble(40_000, seed=9), load(starter)
    result = begin(tmp_path / "alike", starter, text)
    prepared = prepare(text, "char", False, known=description.symbols, workdir=tmp_path / "text")
    log_probs = predictor(description.network, weights).read(prepared.ids.astype(np.int32))
    assert result.starter_loss == pytest.approx(-log_probs[-len(prepared.heldout) :].mean(), abs=0.005)


@pytest.mark.parametrize(
    ("options", "note"),
    [
        ({"text": UNLIKE}, "doesn't know this kind of text"),
        ({"units": 8}, "`--units` asks for another one"),
        ({"recipe": "word"}, "isn't of the recipe `word`"),
        ({"start": "none"}, ""),
    ],
)
def test_otherwise_nothing_is_taken_from_it(starter: Path, tmp_path: Path, options: dict[str, Any], note: str) -> None:
    result = begin(tmp_path / "model", starter, **options)
    alone = begin(tmp_path / "alone", None, **options)
    assert (result.parent, alone.parent) == (None, None)
    notes = [one for one in result.notes if "from scratch" in one]
    assert len(notes) == bool(note)
    assert not note or note in notes[0]
    described, weights, _, _ = load(tmp_path / "model")
    assert (described.lineage, described.symbols) == ((), load(tmp_path / "alone")[0].symbols)
    for name, weight in load(tmp_path / "alone")[1].items():
        np.testing.assert_array_equal(weight, weights[name])


def test_it_can_be_asked_for(starter: Path, tmp_path: Path) -> None:
    assert begin(tmp_path / "model", starter, UNLIKE, start="starter").parent == "starter"
    for options, said in (({"recipe": "word"}, "not of `word`"), ({"units": 8}, "--units 32")):
        with pytest.raises(UserError, match=said):
            begin(tmp_path / "none", starter, start="starter", **options)
    with pytest.raises(UserError, match="isn't installed"):
        begin(tmp_path / "none", tmp_path / "nowhere", start="starter")


def test_one_that_cannot_be_read_keeps_nobody_from_training(starter: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.safetensors"
    damaged.write_bytes(starter.read_bytes()[:-1_000])
    result = begin(tmp_path / "model", damaged)
    assert result.parent is None
    assert any("can't be read here" in note for note in result.notes)
    with pytest.raises(UserError, match="damaged"):
        begin(tmp_path / "none", damaged, start="starter")


def test_a_resumed_training_goes_on_with_what_it_began_with(starter: Path, tmp_path: Path) -> None:
    for name, first, text, options, parent, told in (
        ("with", starter, UNLIKE, {"start": "starter"}, "starter", 0),
        ("without", None, ALIKE, {}, None, 0),
        ("helped", starter, ALIKE, {}, "starter", 0),
        ("of-no-use", starter, UNLIKE, {}, None, 1),
    ):
        place = tmp_path / name
        hooks, further = Recorder(lambda asked: "interrupt" if asked > 12 else None), Recorder()
        with pytest.raises(TrainingInterrupted):
            begin(tmp_path / "no", first, text, hooks, checkpoint=place, **options)
        assert [(sample.epoch, sample.by) for sample in hooks.samples] == [(0, "both" if parent else "table")]
        resumed = begin(tmp_path / f"{name}-model", starter, text, further, checkpoint=place)
        assert all(sample.epoch for sample in further.samples), "the first one was told"
        assert resumed.parent == parent
        assert sum("from scratch" in note for note in resumed.notes) == told
        assert (resumed.starter_loss is not None) is (parent is not None)
    with pytest.raises(OtherCheckpoint):
        begin(tmp_path / "other", starter, UNLIKE, checkpoint=tmp_path / "with", start="none")


@pytest.mark.parametrize("text", [ALIKE, UNLIKE[:300]])
def test_what_is_counted_is_a_distribution(starter: Path, text: str) -> None:
    begun = load_starter(starter, TrainOptions())
    prepared = prepare(text, "char", known=begun.description.symbols)
    symbols = len(prepared.vocabulary)
    pieces = np.repeat(np.asarray(prepared.ids[None, 100:140], np.int64), symbols, 0)
    pieces[:, 30] = np.arange(symbols)
    assert np.exp(-bigram_nats(prepared.training, pieces, 20, symbols)[:, 10]).sum() == pytest.approx(1.0)
    assert all(np.isfinite(judge(begun, prepared)))


def test_a_file_of_its_name_comes_first(
    starter: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["generate", "starter"], plugins=()) == 2
    assert "The starter isn't installed here" in capsys.readouterr().err
    monkeypatch.setattr(model_file, "STARTER_FILE", starter)
    own = Path(shutil.copy(starter, "starter.safetensors"))
    assert model_file.path_of("starter") == own
    assert model_file.find_parent("starter") == (own, {"recipe": "char"})
    assert model_file.find_parent("none") == (None, {"start": "none"})
    own.unlink()
    assert model_file.path_of("starter") == starter
    assert model_file.find_parent("starter") == (None, {"start": "starter"})
