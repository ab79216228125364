"""Whatever lies in Redis as a job is done, or refused in words: a task never fails, and nothing is left of it."""

from __future__ import annotations

import json
from typing import Any

import pytest
import redis
from hypothesis import HealthCheck, example, given, settings as tries, strategies as st
from structlog.testing import capture_logs

import worker.tasks  # noqa: F401  # which makes the tasks
from shared import keys
from shared.events import TERMINAL, Failed
from shared.jobs import task_name
from shared.settings import Settings
from tests import lives
from tests.factories import examples
from tests.strategies import changed
from tests.worker.jobs import PLACE, picture_job
from worker.app import app

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_and_two")]

MADE = {job.kind: job for job, _ in examples(PLACE, ("one", "two"))}
JOBS = {kind: job.model_dump(mode="json") for kind, job in MADE.items()}
REFUSALS = ("job_not_understood", "event_not_understood")
"""Logged as errors, in one line, because the operator must mend them."""


@tries(
    max_examples=tries.default.max_examples // 2,
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
