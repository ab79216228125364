"""Whatever lies in Redis as a job is done or refused in words, also if its id is a path: nothing is left of it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from hypothesis import HealthCheck, example, given, settings as tries, strategies as st
from pydantic import ValidationError
from structlog.testing import capture_logs

import worker.tasks  # noqa: F401  # which makes the tasks
from shared import keys
from shared.events import TERMINAL, Failed
from shared.jobs import Job, MixPart, task_name
from shared.settings import Settings
from tests import lives
from tests.factories import examples
from tests.strategies import changed
from tests.worker.jobs import PLACE, generate_job, picture_job
from worker.app import app
from worker.checkpoints import job_folder, remove_leftovers

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_and_two")]

MADE: dict[str, Job] = {job.kind: job for job, _ in examples(PLACE, ("one", "two"))}
JOBS = {kind: job.model_dump(mode="json") for kind, job in MADE.items()}
REFUSALS = ("job_not_understood", "event_not_understood")
"""Logged as errors, in one line, because the operator must mend them."""


@tries(
    max_examples=tries().max_examples // 2,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.sampled_from(sorted(JOBS)).flatmap(lambda kind: st.tuples(st.just(kind), changed(JOBS[kind]))))
@example(("generate", ["x"]))
@example(("train", None))
@example(("train", {**JOBS["train"], "job_id": "../../corpora"}))
@example(("generate", {**JOBS["generate"], "model_id": "\ud800"}))
@example(("generate", {**JOBS["generate"], "model_id": "../../corpora"}))
@example(("generate", {**JOBS["generate"], "length": 10**12}))
@example(("surprise", {"version": 2, "kind": "surprise", "job_id": "s-1", "wish": "more"}))
def test_a_job_ends_in_words(client: redis.Redis, settings: Settings, case: tuple[str, Any]) -> None:
    kind, message = case
    client.flushall()
    job_id = MADE[kind].job_id
    lives.enter(client, MADE[kind])
    client.hset(keys.job(job_id), "job", json.dumps(message))
    outside = sorted(settings.data_dir.parent.iterdir())
    with capture_logs() as logged:
        app.tasks[task_name(kind)](*lives.message(client, job_id))
    assert [line for line in logged if line["log_level"] == "error" and line["event"] not in REFUSALS] == []
    assert sorted(settings.data_dir.parent.iterdir()) == outside
    end = lives.newest(client, job_id)
    assert end.kind in TERMINAL
    if isinstance(end, Failed):
        assert "Something went wrong" not in end.problem
        assert end.remedy


@pytest.mark.parametrize("event", ['{"kind": "from the future"}', "{", "[]", '"x"'])
def test_an_event_that_is_not_known_keeps_no_job_from_its_end(client: redis.Redis, event: str) -> None:
    job = picture_job()
    lives.enter(client, job)
    client.xadd(keys.job_events(job.job_id), {"event": event}, id="0-9")
    app.tasks[task_name("picture")](*lives.message(client, job.job_id))
    assert lives.newest(client, job.job_id).kind in TERMINAL


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
        job_folder(settings, OUTSIDE)


def test_no_job_names_such_a_model() -> None:
    for make in (
        lambda: generate_job(model_id=OUTSIDE),
        lambda: MixPart(model_id=OUTSIDE, name="x", weight=1),
    ):
        with pytest.raises(ValidationError, match="model_id"):
            make()


def test_what_is_left_of_a_training_names_no_other_model(client: redis.Redis, settings: Settings) -> None:
    job_folder(settings, "t-1").mkdir(parents=True)
    client.hset(keys.job("t-1"), mapping={"job": "{}", "state": "over", "model_id": OUTSIDE})
    remove_leftovers(settings, client)
    assert not job_folder(settings, "t-1").exists()
