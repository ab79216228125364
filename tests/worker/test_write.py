"""Generate jobs, from the message to what is told, with a real Redis and real models."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import redis

from shared.events import Failed, Generated
from shared.jobs import MixPart
from tests import lives
from tests.lives import expect
from tests.worker.jobs import generate_job, run
from worker.handlers import HANDLERS

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_and_two")]


def test_many_jobs_at_once_are_all_answered(client: redis.Redis) -> None:
    jobs = [generate_job(number, top_k=3 + number % 4) for number in range(20)]
    jobs[3] = generate_job(3, seed="")
    jobs[4] = generate_job(4, model_id="gone")
    with ThreadPoolExecutor(20) as threads:
        answers = list(threads.map(lambda job: run(client, job), jobs))
    for job, answer in zip(jobs, answers, strict=True):
        if job.job_id in ("g-3", "g-4"):
            assert isinstance(answer, Failed)
            assert answer.remedy
        else:
            assert isinstance(answer, Generated)
            assert 1 <= len(answer.text) <= job.length
            assert answer.random_seed == job.random_seed
    assert answers[3] != answers[4]


def test_every_wish_of_a_job_is_heeded(client: redis.Redis) -> None:
    plain = expect(Generated, run(client, generate_job(1, length=180)))
    all_options: list[dict[str, Any]] = [
        {"temperature": 0.1},
        {"top_k": 1},
        {"top_p": 0.1},
        {"min_p": 0.9},
        {"temperature": 0, "guard": False},
        {"stop": "sentence"},  # the last one ends before the last line
        {"from_corpus": True},
        {"random_seed": 77},
        {"mix": tuple(MixPart(model_id=name, name=name, weight=1) for name in ("one", "two"))},
    ]
    for number, options in enumerate(all_options, 2):
        answer = expect(Generated, run(client, generate_job(number, **{"length": 180, "random_seed": 1, **options})))
        assert answer.text != plain.text, options


def test_a_message_that_is_delivered_twice_is_answered_once(client: redis.Redis) -> None:
    job = generate_job(1)
    first = run(client, job)
    HANDLERS["generate"].run(*lives.message(client, job.job_id))
    assert run(client, job) == first
