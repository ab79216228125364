"""Models that tests of the engine share."""

from __future__ import annotations

from pathlib import Path

import pytest

from galvanic.options import TrainOptions
from galvanic.results import TrainResult
from tests.worker.texts import EPOCHS, SENTENCE, Recorder, corpus


@pytest.fixture(scope="session")
def memorised(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, TrainResult, Recorder]:
    """A `char` model of one sentence repeated: its file, its result, and what its hooks heard."""
    from galvanic.training import train

    folder = tmp_path_factory.mktemp("memorised") / "model.safetensors"
    hooks = Recorder()
    text = SENTENCE * 60
    options = TrainOptions(epochs=EPOCHS, units=96, length=32, learning_rate=0.01, random_seed=1)
    result = train(text, options, corpus(text), out=folder, hooks=hooks)
    return folder, result, hooks


@pytest.fixture
def classic() -> Path:
    """A `classic` model, hardly trained."""
    return Path(__file__).parents[1] / "fixtures" / "format-3" / "classic.safetensors"
