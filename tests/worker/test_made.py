"""A worker that dies between making a model and telling of it: the next attempt does the rest, and trains nothing."""

from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
import redis

from galvanic.files import write_text
from shared import keys
from shared.events import Failed, Finished, Started
from shared.jobs import LOSS_FILE
from shared.settings import Settings
from tests import lives
from tests.factories import GUILD
from tests.lives import expect
from tests.worker.small import ids
from tests.worker.test_train_jobs import TEXT, train
from worker import attempt
from worker.checkpoints import job_folder, read_finished, remove_leftovers
from worker.events import JobEvents
from worker.jobs import MAX_DEATHS
from worker.store import ModelStore

pytestmark = pytest.mark.slow


class Killed(BaseException):
    """Stands for the end of the process."""


def train_until(where: tuple[type, str], client: redis.Redis) -> None:
    """Train up to this method, where the process ends."""

    def killed(*_: Any, **__: Any) -> None:
        raise Killed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(*where, killed)
        with pytest.raises(Killed):
            train(client, "t-1")


@pytest.mark.parametrize(
    "where", [(ModelStore, "save"), (JobEvents, "attach"), (JobEvents, "enter")], ids=lambda where: where[1]
)
def test_the_rest_is_done_by_the_next_attempt(
    where: tuple[type, str], client: redis.Redis, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    train_until(where, client)
    assert not client.exists(keys.guild_models(GUILD))
    folder = job_folder(settings, "t-1")
    (path,) = folder.glob("*/finished.json")
    finished = read_finished(path)
    assert finished is not None
    import galvanic.training

    monkeypatch.setattr(galvanic.training, "train", lambda *_, **__: pytest.fail("trained again"))
    event = expect(Finished, train(client, "t-1", TEXT))
    assert event.model.model_id == finished.event.model.model_id
    assert ModelStore(settings).has(event.model.model_id)
    assert client.exists(keys.artifact("t-1", LOSS_FILE))
    assert client.hgetall(keys.guild_models(GUILD)) == {b"made-up": event.model.model_id.encode()}
    assert not folder.exists()
    assert lives.told_of(Started, client, "t-1")[-1].resumed
    assert len(lives.told_of(Finished, client, "t-1")) == 1


def test_trouble_costs_no_finished_model(client: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    import galvanic.training

    with monkeypatch.context() as failing:
        failing.setattr(JobEvents, "attach", Mock(side_effect=RuntimeError))
        assert train(client, "t-1").kind == "interrupted"
    monkeypatch.setattr(galvanic.training, "train", lambda *_, **__: pytest.fail("trained again"))
    assert train(client, "t-1", TEXT).kind == "finished"


def test_a_model_that_was_saved_and_never_entered_goes_with_its_cancelled_job(
    client: redis.Redis, settings: Settings
) -> None:
    train_until((JobEvents, "enter"), client)
    assert len(ids(ModelStore(settings))) == 1
    remove_leftovers(settings, client)
    assert len(ids(ModelStore(settings))) == 1
    client.hset(keys.job("t-1"), "state", "over")
    remove_leftovers(settings, client)
    assert ids(ModelStore(settings)) == []
    assert not job_folder(settings, "t-1").exists()


@pytest.mark.parametrize("how", ["cancelled", "failed"])
def test_a_training_that_is_ended_when_its_model_was_saved_leaves_none(
    client: redis.Redis, settings: Settings, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """It is asked to be cancelled, or the bot ends it at once: words that it learned were withdrawn."""
    attach = JobEvents.attach

    def ended(log: JobEvents, name: str, data: bytes) -> None:
        assert len(ids(ModelStore(settings))) == 1
        if how == "cancelled":
            client.set(keys.job_control("t-1"), "cancel")
        else:
            lives.end(client, "t-1", Failed(problem="the end", remedy=""))
        attach(log, name, data)

    monkeypatch.setattr(JobEvents, "attach", ended)
    assert train(client, "t-1").kind == how
    assert ids(ModelStore(settings)) == []
    assert not client.exists(keys.guild_models(GUILD))
    assert not job_folder(settings, "t-1").exists()


def test_a_training_that_is_given_up_when_its_model_was_saved_leaves_none(
    client: redis.Redis, settings: Settings
) -> None:
    train_until((JobEvents, "enter"), client)
    assert len(ids(ModelStore(settings))) == 1
    client.hset(keys.job("t-1"), "deaths", MAX_DEATHS)
    assert train(client, "t-1", TEXT).kind == "failed"
    assert ids(ModelStore(settings)) == []
    assert not job_folder(settings, "t-1").exists()


def test_what_redis_lost_of_the_end_is_told_again(client: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Redis that is killed may lose its last second, and does not say so when it is back."""
    durable = JobEvents.durable
    lost: list[Any] = []

    def lose(log: JobEvents) -> None:
        if not lost:
            newest: Any = client.xrevrange(keys.job_events("t-1"), count=1)
            lost.extend(newest)
            entry, _ = lost[0]
            client.xdel(keys.job_events("t-1"), entry)
            client.hset(keys.job("t-1"), "state", "begun")
            client.delete(keys.guild_models(GUILD))
        durable(log)

    monkeypatch.setattr(JobEvents, "durable", lose)
    event = expect(Finished, train(client, "t-1"))
    assert client.hgetall(keys.guild_models(GUILD)) == {b"made-up": event.model.model_id.encode()}
    assert JobEvents(client, "t-1").is_over()


def test_an_attempt_that_wakes_up_too_late_leaves_nothing(
    client: redis.Redis, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def frozen(path: Path, text: str) -> None:
        write_text(path, text)
        client.hset(keys.job("t-1"), "state", "over")  # another worker's attempt was cancelled

    monkeypatch.setattr(attempt, "write_text", frozen)
    train(client, "t-1")
    assert ids(ModelStore(settings)) == []
    assert not client.exists(keys.guild_models(GUILD))
    assert not lives.told_of(Finished, client, "t-1")
