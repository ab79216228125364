"""Models that tests of the engine share."""

import fcntl
import os
import pickle
from pathlib import Path

import pytest

from galvanic.options import TrainOptions
from galvanic.results import TrainResult
from tests.worker.texts import EPOCHS, SENTENCE, Memorised, Recorder, corpus


@pytest.fixture(scope="session")
def memorised(tmp_path_factory: pytest.TempPathFactory) -> Memorised:
    """A `char` model of one sentence repeated: its file, its result, and what its hooks heard.

    Trained once in a run of the tests: its processes, whose folders lie side by side, share it.
    """
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    path, told = folder / "memorised" / "memorised.safetensors", folder / "memorised.pickle"
    path.parent.mkdir(exist_ok=True)
    with (folder / "memorised.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not told.exists():
            told.write_bytes(pickle.dumps(_memorise(path)))
    return path, *pickle.loads(told.read_bytes())


def _memorise(path: Path) -> tuple[TrainResult, Recorder]:
    from galvanic.training import train

    hooks = Recorder()
    text = SENTENCE * 60
    options = TrainOptions(epochs=EPOCHS, units=96, length=32, learning_rate=0.01, random_seed=1)
    return train(text, options, corpus(text), out=path, hooks=hooks), hooks


@pytest.fixture
def classic() -> Path:
    """A `classic` model, hardly trained."""
    return Path(__file__).parents[1] / "fixtures" / "models" / "classic.safetensors"
