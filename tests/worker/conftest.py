"""What the tests of the worker share: a few models, and an empty Redis."""

from __future__ import annotations

from pathlib import Path

import pytest
import redis

from shared.connect import connect
from shared.settings import Settings
from shared.transcripts import TranscriptInfo
from tests.worker.channels import transcribed
from tests.worker.small import save_model
from worker import warm
from worker.store import ModelStore


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
