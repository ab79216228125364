"""Nobody's request keeps the worker longer than they wait for it."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
import redis

from galvanic import model_file
from shared.events import Event, Failed, Generated
from shared.jobs import Job, MixPart, Variant
from shared.settings import Settings
from tests import lives
from tests.lives import expect, require_failure
from tests.worker.hostile import tutorial
from tests.worker.jobs import compare_job, generate_job, run, surprise_job
from tests.worker.small import LETTERS, description_of, random_weights, stored, windows
from worker.handlers import HANDLERS

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_and_two")]

LONG = 1_000_000
"""Characters, which no machine writes within the seconds of these tests."""
MIX = tuple(MixPart(model_id=name, name=name, weight=1) for name in ("one", "two"))
VARIANTS = (Variant(model_id="one", name="one", temperature=0.5),)


def run_until(client: redis.Redis, job: Job, seconds: float) -> Event:
    """Run a job that expires in so many seconds; its last event."""
    lives.enter(client, job)
    HANDLERS[job.kind].run(*lives.message(client, job.job_id), datetime.now(UTC) + timedelta(seconds=seconds))
    return lives.newest(client, job.job_id)


@pytest.fixture
def slow(settings: Settings) -> None:
    """A model `slow`, of the tutorial's kind and about as costly as may be."""
    config = tutorial((700, 700))
    description = description_of(LETTERS, config, "classic")
    model_file.save(stored(settings, "slow"), description, random_weights(config), windows(len(LETTERS)))


@pytest.mark.usefixtures("slow")
@pytest.mark.parametrize(
    ("seconds", "make"),
    [
        (3, lambda: generate_job(1, length=LONG)),
        (3, lambda: generate_job(1, length=LONG, mix=MIX)),
        (3, lambda: generate_job(1, length=LONG, blocked=("e",), random_seed=None)),
        (3, lambda: compare_job(length=LONG, variants=VARIANTS)),
        (3, lambda: generate_job(1, length=LONG, model_id="slow")),
    ],
)
def test_what_is_not_done_in_time_ends_in_words(client: redis.Redis, seconds: float, make: Callable[[], Job]) -> None:
    require_failure(run_until(client, make(), seconds), "wasn't done in time")
    # Its threads and places are free again: others are served as before.
    assert isinstance(run(client, generate_job(2)), Generated)


def test_one_that_takes_too_long_costs_others_nothing(client: redis.Redis) -> None:
    words = {"random_seed": 1, "length": 41}
    alone = expect(Generated, run(client, generate_job(1, **words)))
    long, short = generate_job(2, length=LONG), generate_job(3, **words)
    with ThreadPoolExecutor(2) as threads:
        given_up = threads.submit(run_until, client, long, 3)
        written = expect(Generated, threads.submit(run_until, client, short, 60).result())
        assert written.text == alone.text
        assert isinstance(given_up.result(), Failed)


@pytest.mark.usefixtures("slow")
def test_nothing_is_begun_for_somebody_who_has_gone(client: redis.Redis) -> None:
    for job in (generate_job(1, model_id="slow"), surprise_job("the boat", "one")):
        require_failure(run_until(client, job, -1), "in time")
