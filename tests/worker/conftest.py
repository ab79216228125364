"""What the engine's tests share: made-up texts and small trainings."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import redis

from shared.connect import connect
from shared.events import Difficulty, Progress, Sample
from shared.jobs import CorpusInfo, TrainOptions
from shared.settings import Settings
from tests.worker.small import save_model
from worker.model.results import Control, TrainResult
from worker.serving import warm
from worker.store import ModelStore

SENTENCE = "A small red boat left the harbour at dawn. "
EPOCHS = 25
"""Of the sentence, learned by heart."""


def corpus(text: str, **fields: Any) -> CorpusInfo:
    """The description of a text made in a test."""
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    return CorpusInfo(name="made-up", title="Made up", source="file", chars=len(text), sha256=digest, **fields)


def babble(characters: int, seed: int = 0) -> str:
    """Sentences drawn from a few words: text that can be learned but not known by heart."""
    draw = random.Random(seed)
    words = [
        "boat",
        "harbour",
        "red",
        "small",
        "wind",
        "storm",
        "sailor",
        "sings",
        "waits",
        "rows",
        "turns",
        "quickly",
        "slowly",
        "north",
        "home",
    ]
    text = ""
    while len(text) < characters:
        text += " ".join(draw.choices(words, k=draw.randint(3, 8))).capitalize() + ". "
    return text[:characters]


class Recorder:
    """Hooks that keep what they were told; `stop(calls)` says what to answer when asked the nth time."""

    def __init__(self, stop: Callable[[int], Control | None] = lambda _: None) -> None:
        self.progressed: list[Progress] = []
        self.samples: list[Sample] = []
        self.troubles: list[Difficulty | None] = []
        self.saves = 0
        self.asked = 0
        self._stop = stop

    def progress(self, event: Progress) -> None:
        self.progressed.append(event)

    def sample(self, event: Sample) -> None:
        self.samples.append(event)

    def trouble(self, what: Difficulty | None) -> None:
        self.troubles.append(what)

    def saved(self) -> None:
        self.saves += 1

    def control(self) -> Control | None:
        self.asked += 1
        return self._stop(self.asked)


@pytest.fixture(scope="session")
def memorised(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, TrainResult, Recorder]:
    """A `char` model of one sentence repeated: its folder, its result, and what its hooks heard."""
    from worker.model.train import train

    folder = tmp_path_factory.mktemp("memorised") / "model"
    hooks = Recorder()
    text = SENTENCE * 150
    result = train(text, TrainOptions(epochs=EPOCHS, random_seed=1), corpus(text), out=folder, hooks=hooks)
    return folder, result, hooks


@pytest.fixture(scope="session")
def classic(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, TrainResult]:
    """A `classic` model of a few hundred windows, with the tutorial's network made narrow."""
    from worker.model.plan import make_plan
    from worker.model.train import train
    from worker.text import TextOptions, prepare

    folder = tmp_path_factory.mktemp("classic") / "model"
    text = babble(1_500)
    plan = make_plan("classic", prepare(text, TextOptions("classic")).distinct, 1)
    plan = plan.model_copy(update={"network": plan.network.model_copy(update={"units": (24, 24, 16)}), "batch": 64})
    options = TrainOptions(recipe="classic", epochs=2, random_seed=1)
    return folder, train(text, options, corpus(text), out=folder, plan=plan)


@pytest.fixture
def client(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> redis.Redis:
    """Redis, beside a store with the models `one` and `two`, none of which is warm."""
    monkeypatch.setattr(warm, "_warm", None)
    for seed, name in enumerate(("one", "two")):
        save_model(tmp_path / name, seed=seed)
        ModelStore(settings).save(tmp_path / name, name)
    return connect(settings)
