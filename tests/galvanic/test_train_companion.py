"""The companion that a training leaves, and when it leaves none."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from galvanic.companion import Companion
from galvanic.generate import predictor
from galvanic.model_file import load
from galvanic.ngrams import Lines
from galvanic.options import TrainOptions
from galvanic.text import prepare
from galvanic.training import train
from tests.galvanic.test_train import TEXT, run, small_plan
from tests.worker.texts import Recorder, babble, corpus

pytestmark = pytest.mark.slow


WEIGHTS = {"ngrams/weights", "ngrams/reading"}


def counted(text: str, recipe: Any, path: Path) -> bool:
    """Whether a model's table is that of all of this text."""
    description, _, _, companion = load(path)
    ids = prepare(text, recipe, known=description.symbols).ids
    wanted = Companion.counted(ids, len(description.symbols), recipe).arrays
    assert companion is not None
    return all(np.array_equal(array, companion.arrays[name]) for name, array in wanted.items() if name not in WEIGHTS)


@pytest.mark.parametrize(("recipe", "members"), [("char", 1), ("char", 2), ("word", 1)])
def test_it_is_of_all_the_text_and_the_loss_from_before_the_held_out_part_was_counted(
    recipe: str, members: int, tmp_path: Path
) -> None:
    result = run(recipe, tmp_path / "model", plan=small_plan(recipe, members=members))
    assert counted(TEXT, recipe, tmp_path / "model")
    description, weights, _, companion = load(tmp_path / "model")
    prepared = prepare(TEXT, recipe)
    assert companion is not None
    before = companion.recounted(prepared.training, recipe)
    read = predictor(description.network, weights, before).read(np.asarray(prepared.ids, np.int32))
    loss = -read[prepared.learned :].mean() * prepared.heldout_density
    alone = predictor(description.network, weights).read(np.asarray(prepared.ids, np.int32))
    network_loss = -alone[prepared.learned :].mean() * prepared.heldout_density
    # A held-out part is judged in several streams, each of which begins a little before.
    assert result.heldout_loss == pytest.approx(loss, abs=0.05)
    assert result.network_loss == pytest.approx(network_loss, abs=0.05)
    assert result.heldout_loss is not None
    assert result.ngrams_loss is not None
    assert result.ngrams_loss > result.heldout_loss
    assert loss < network_loss


@pytest.mark.parametrize("recipe", ["char", "word"])
def test_a_channel_is_counted_by_its_members_and_a_book_after_it_is_not(recipe: Any, tmp_path: Path) -> None:
    text = babble(6_000).replace(". ", ".\n").strip() + "\n"
    authors = np.arange(text.count("\n")) % 4
    channel, path = corpus(text).model_copy(update={"source": "channel"}), tmp_path / "channel"
    options = TrainOptions(recipe=recipe, epochs=1, random_seed=5)
    for known in (authors, authors[1:], None):
        result = train(text, options, channel, out=path, plan=small_plan(recipe, text), authors=known)
        assert (result.ngrams_loss is not None) is (known is authors)  # compared with what it has
        companion = load(path)[3]
        assert (companion is None) == (known is not authors), "of authors that nobody knows nothing is counted"
        if companion:
            prepared = prepare(text, recipe, hard_wrapped=channel.hard_wrapped)
            ends = np.flatnonzero(prepared.ids == prepared.vocabulary.symbols.index("\n"))
            wanted = companion.recounted(prepared.ids, recipe, Lines(ends, authors)).arrays
            assert all(np.array_equal(array, companion.arrays[name]) for name, array in wanted.items())
            assert not counted(text, recipe, path)
            whole = Companion.counted(prepared.training, len(prepared.vocabulary), recipe)
            places = prepared.learned + np.arange(len(prepared.heldout))
            nats = -whole.log_probs(prepared.ids, places)[np.arange(len(places)), prepared.heldout].mean()
            markov = nats * prepared.heldout_density
            assert result.ngrams_loss == pytest.approx(markov, rel=1e-4)
    run(recipe, tmp_path / "child", epochs=1, parent=path, plan=None)
    assert counted(TEXT, recipe, tmp_path / "child")


def test_classic_has_none(tmp_path: Path) -> None:
    hooks = Recorder()
    run("classic", tmp_path / "model", hooks, epochs=1)
    assert load(tmp_path / "model")[3] is None
    assert [(sample.epoch, sample.by) for sample in hooks.samples] == [(1, "network")], "nothing could write before"


FIRST = """
import sys
from contextlib import suppress
from pathlib import Path
from galvanic.options import TrainOptions
from galvanic.results import Hooks, Sample, TrainingCancelled
from galvanic.training import train
from tests.worker.texts import babble, corpus

class First(Hooks):
    def sample(self, event: Sample) -> None:
        print(event.epoch, event.by, 0 < event.heldout_loss < 20, len(event.text) > 30, "tensorflow" in sys.modules)
        raise TrainingCancelled

text = babble(3_000)
for parent in (None, Path("tests/fixtures/models/char.safetensors")):
    with suppress(TrainingCancelled):
        train(text, TrainOptions(), corpus(text), out=Path(sys.argv[1]), hooks=First(), parent=parent)
"""


@pytest.mark.process
def test_the_first_sample_comes_before_tensorflow_is_imported(tmp_path: Path) -> None:
    command = [sys.executable, "-c", FIRST, str(tmp_path / "model")]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2])
    assert done.stdout.splitlines() == ["0 table True True False", "0 both True True False"]
