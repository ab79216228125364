"""What the tests of the worker share: a few models, and an empty Redis."""

from pathlib import Path

import pytest
import redis

from galvanic import checkpoint
from shared.connect import connect
from shared.settings import Settings
from tests.worker.channels import Channel
from tests.worker.small import save_model, stored
from worker import warm
from worker.app import app


@pytest.fixture
def client(settings: Settings) -> redis.Redis:
    app.conf.broker_url = settings.broker_url  # it was imported before there was this Redis
    del app.amqp  # with its connections to the Redis of the test before
    return connect(settings)


@pytest.fixture(autouse=True)
def _nothing_is_warm() -> None:
    warm.warm_models.cache_clear()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """What stands for a model's file, for a store, which does not look into it."""
    path = tmp_path / "trained"
    path.write_bytes(b"one")
    return path


@pytest.fixture
def one_and_two(settings: Settings) -> None:
    """A store with the models `one` and `two`, none of which is warm."""
    for seed, name in enumerate(("one", "two")):
        save_model(stored(settings, name), seed=seed)


@pytest.fixture
def looks_for_room_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever waits for room on the disk looks and asks many times a second."""
    monkeypatch.setattr(checkpoint, "_ASK_EVERY_S", 0.002)


@pytest.fixture
def channel(settings: Settings, client: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> Channel:
    """A channel that Ann and Ben have written in."""
    return Channel(settings, client, monkeypatch)
