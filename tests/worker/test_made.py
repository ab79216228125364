"""A worker that dies between making a model and telling of it: the next attempt does the rest, and trains nothing."""

from __future__ import annotations

from typing import Any, cast

import pytest
import redis

from shared import keys
from shared.connect import connect
from shared.events import Finished, Started, parse_event
from shared.jobs import LOSS_FILE
from shared.settings import Settings
from tests.worker.test_train_jobs import TEXT, train
from worker.job_files import JobFiles
from worker.joblog import JobLog
from worker.made import Made
from worker.store import ModelStore


class Killed(BaseException):
    """Stands for the end of the process."""


@pytest.fixture
def client(settings: Settings) -> redis.Redis:
    return connect(settings)


@pytest.mark.parametrize("where", ["save", "register", "publish"])
def test_the_rest_is_done_by_the_next_attempt(
    where: str, client: redis.Redis, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*arguments: Any, **_: Any) -> None:
        if where != "publish" or isinstance(arguments[1], Finished):
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(
            *{"save": (ModelStore, "take"), "register": (JobLog, "register")}.get(where, (JobLog, "publish")), killed
        )
        with pytest.raises(Killed):
            train(client, "t-1")
    files = JobFiles.of(settings, "t-1")
    made = Made.load(files.made)
    assert made is not None
    import worker.model.train

    def trained_again(*_: Any, **__: Any) -> None:
        raise AssertionError("trained again")

    monkeypatch.setattr(worker.model.train, "train", trained_again)
    event = train(client, "t-1", TEXT)
    assert isinstance(event, Finished)
    assert event.model.model_id == made.finished.model.model_id
    assert ModelStore(settings).has(event.model.model_id)
    assert client.exists(keys.artifact("t-1", LOSS_FILE))
    assert client.hgetall(keys.guild_models(event.model.guild_id)) == {b"made-up": event.model.model_id.encode()}
    assert not files.folder.exists()
    told = [parse_event(fields[b"event"]) for _, fields in cast(Any, client.xrange(keys.job_events("t-1")))]
    assert [one.resumed for one in told if isinstance(one, Started)][-1]
    assert sum(one.kind == "finished" for one in told) == 1
