"""A training whose worker is killed again and again is given up, unless it makes headway in between."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
import redis

from galvanic import checkpoint
from galvanic.options import TrainOptions
from shared import keys
from shared.corpora import pack
from shared.events import Failed
from shared.jobs import TrainJob
from shared.settings import Settings
from tests import lives
from tests.factories import place
from tests.galvanic.test_train import save_after_each_step
from tests.worker.channels import enter, events_of
from tests.worker.test_made import Killed
from tests.worker.texts import babble, corpus
from worker import hooks
from worker.files import JobFiles
from worker.training import MAX_DEATHS, run_train

pytestmark = pytest.mark.slow

TEXT = babble(1_500)


@pytest.mark.parametrize(
    ("headway_s", "number", "given_up"),
    [(0.0, 3, False), (math.inf, 3, True), (0.0, 2, True)],
    ids=["with headway", "too little", "as it saves"],
)
def test_deaths_count_since_the_last_headway(
    headway_s: float,
    number: int,
    given_up: bool,
    client: redis.Redis,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each attempt saves after each step, and dies as it has written its nth checkpoint."""
    monkeypatch.setattr(hooks, "HEADWAY_S", headway_s)
    save_after_each_step(monkeypatch)
    write = checkpoint.save
    info = corpus(TEXT)
    client.set(keys.corpus(info.sha256), pack(TEXT))
    options = TrainOptions(epochs=20, units=8, random_seed=1)
    job = enter(client, TrainJob(job_id="t-1", place=place(), corpus=info, options=options))

    def attempt_that_dies() -> None:
        saves = itertools.count(1)

        def save(*arguments: Any) -> None:
            write(*arguments)
            if next(saves) == number:
                raise Killed

        with monkeypatch.context() as patch:
            patch.setattr(checkpoint, "save", save)
            with pytest.raises(Killed):
                run_train(*lives.message(client, job.job_id))

    for _ in range(MAX_DEATHS):
        attempt_that_dies()
    files = JobFiles(settings, job.job_id)
    assert files.checkpoint.exists()
    if given_up:
        run_train(*lives.message(client, job.job_id))
        failed = events_of(client, keys.job_events(job.job_id))[-1]
        assert isinstance(failed, Failed)
        assert f"killed {MAX_DEATHS} times" in failed.problem
    else:
        attempt_that_dies()
        assert files.checkpoint.exists()
