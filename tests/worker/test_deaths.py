"""A training whose worker is killed again and again is given up, unless it makes headway in between."""

from __future__ import annotations

import math
from unittest.mock import Mock

import pytest
import redis

from tests import lives
from tests.factories import train_job
from tests.lives import require_failure
from worker import hooks
from worker.jobs import MAX_DEATHS
from worker.training import run_train


@pytest.mark.parametrize(
    ("headway_s", "checkpoints", "given_up"),
    [(0.0, 2, False), (math.inf, 2, True), (0.0, 1, True)],
    ids=["with headway", "too little", "before its second checkpoint"],
)
def test_deaths_count_since_the_last_headway(
    headway_s: float, checkpoints: int, given_up: bool, client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hooks, "HEADWAY_S", headway_s)
    job, nobody = train_job(), Mock()
    lives.enter(client, job)
    for _ in range(MAX_DEATHS):
        dying = hooks.JobHooks(lives.take(client, job.job_id), nobody, nobody)
        for _ in range(checkpoints):
            dying.saved()
    run_train(*lives.message(client, job.job_id))
    words = f"in trouble {MAX_DEATHS} times" if given_up else "text of this training has expired"
    require_failure(lives.newest(client, job.job_id), words)
