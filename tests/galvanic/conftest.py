"""Models that were trained once for all tests of the engine."""

from __future__ import annotations

from pathlib import Path

import pytest

from galvanic.options import TrainOptions
from galvanic.results import TrainResult
from tests.worker.texts import EPOCHS, SENTENCE, Recorder, babble, corpus


@pytest.fixture(scope="session")
def memorised(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, TrainResult, Recorder]:
    """A `char` model of one sentence repeated: its file, its result, and what its hooks heard."""
    from galvanic.training import train

    folder = tmp_path_factory.mktemp("memorised") / "model.safetensors"
    hooks = Recorder()
    text = SENTENCE * 150
    result = train(text, TrainOptions(epochs=EPOCHS, random_seed=1), corpus(text), out=folder, hooks=hooks)
    return folder, result, hooks


@pytest.fixture(scope="session")
def classic(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, TrainResult]:
    """A `classic` model of a few hundred windows, with the tutorial's network made narrow."""
    from galvanic.plan import make_plan
    from galvanic.text import TextOptions, prepare
    from galvanic.training import train

    folder = tmp_path_factory.mktemp("classic") / "model.safetensors"
    text = babble(1_500)
    plan = make_plan("classic", len(prepare(text, TextOptions("classic")).vocabulary), 1)
    plan = plan.model_copy(update={"network": plan.network.model_copy(update={"units": (24, 24, 16)}), "batch": 64})
    options = TrainOptions(recipe="classic", epochs=2, random_seed=1)
    return folder, train(text, options, corpus(text), out=folder, plan=plan)
