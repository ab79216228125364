"""Ids that are paths: whoever has the workers' password can put them into Redis and into messages."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from pydantic import ValidationError

from shared import keys
from shared.jobs import MixPart
from shared.settings import Settings
from tests.worker.jobs import generate_job
from worker.app import app
from worker.checkpoints import JobFiles, remove_leftovers

OUTSIDE = "../../outside"


@pytest.fixture
def outside(settings: Settings) -> Iterator[Path]:
    """Where the id leads from the folder of trainings; nothing may be there, before and after."""
    folder = settings.data_dir / "checkpoints" / OUTSIDE
    folder.parent.mkdir(parents=True, exist_ok=True)
    assert not folder.exists()
    yield folder
    assert not folder.exists()


@pytest.mark.usefixtures("outside")
@pytest.mark.parametrize("kind", ["train", "generate"])
def test_a_message_whose_id_is_a_path_makes_nothing(client: redis.Redis, settings: Settings, kind: str) -> None:
    app.loader.import_default_modules()
    (settings.data_dir / "checkpoints").mkdir(parents=True, exist_ok=True)
    client.set(keys.job(OUTSIDE), "of another type, so that beginning it fails")
    assert app.tasks[f"worker.{kind}"](OUTSIDE, 1, "n") is None
    assert client.dbsize() == 1


def test_the_files_of_such_a_job_have_no_place(settings: Settings) -> None:
    with pytest.raises(ValueError, match="not the id of a job"):
        JobFiles(settings, OUTSIDE)


def test_no_job_names_such_a_model() -> None:
    for make in (
        lambda: generate_job(model_id=OUTSIDE),
        lambda: MixPart(model_id=OUTSIDE, name="x", weight=1),
    ):
        with pytest.raises(ValidationError, match="model_id"):
            make()


def test_what_is_left_of_a_training_names_no_other_model(client: redis.Redis, settings: Settings) -> None:
    JobFiles(settings, "t-1").folder.mkdir(parents=True)
    client.hset(keys.job("t-1"), mapping={"job": "{}", "state": "over", "model_id": OUTSIDE})
    remove_leftovers(settings, client)
    assert not JobFiles(settings, "t-1").folder.exists()
