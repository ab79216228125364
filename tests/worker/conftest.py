"""What the tests of the worker share: models that were made once, and an empty Redis."""

from __future__ import annotations

from pathlib import Path

import pytest
import redis

from galvanic.results import TrainResult
from shared.connect import connect
from shared.jobs import TrainOptions
from shared.settings import Settings
from shared.transcripts import TranscriptInfo
from tests.worker.channels import transcribed
from tests.worker.small import save_model
from tests.worker.texts import EPOCHS, SENTENCE, Recorder, babble, corpus
from worker import warm
from worker.store import ModelStore


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
    plan = make_plan("classic", prepare(text, TextOptions("classic")).distinct, 1)
    plan = plan.model_copy(update={"network": plan.network.model_copy(update={"units": (24, 24, 16)}), "batch": 64})
    options = TrainOptions(recipe="classic", epochs=2, random_seed=1)
    return folder, train(text, options, corpus(text), out=folder, plan=plan)


@pytest.fixture
def client(settings: Settings) -> redis.Redis:
    return connect(settings)


@pytest.fixture(autouse=True)
def _nothing_is_warm() -> None:
    warm.warm_models.cache_clear()


@pytest.fixture
def one_and_two(settings: Settings, tmp_path: Path) -> None:
    """A store with the models `one` and `two`, none of which is warm."""
    for seed, name in enumerate(("one", "two")):
        save_model(tmp_path / name, seed=seed)
        ModelStore(settings).save(tmp_path / name, name)


@pytest.fixture
def info(settings: Settings) -> TranscriptInfo:
    """A transcript that is complete, of Ann's and Ben's words."""
    return transcribed(settings)
