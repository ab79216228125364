"""The simulation of many servers: small, on the real queue, and what it would call a broken rule."""

from pathlib import Path

import pytest

from benchmarks.growth.law import Law, requests
from benchmarks.growth.simulation import Followed, Outcome, Size, simulate
from benchmarks.growth.workers import Taken
from benchmarks.own_redis import redis_server

pytestmark = pytest.mark.process


def test_many_servers_get_all_they_asked_for_once_and_in_turn(tmp_path: Path) -> None:
    # A burst of 24 trainings by six servers, for two workers.
    law = Law(servers=6, members=12, trainings=150, texts=800, bursts=1, burst_share=1)
    size = Size(law, minutes=6, scale=60, train_workers=2, train_s=30, text_chars=2_000, deaths=0)
    with redis_server(tmp_path) as url:
        outcome = simulate(size, tmp_path, url)
    assert outcome.problems() == []
    results = outcome.to_json()
    assert results["entered"]["train"] > 10
    assert results["entered"]["generate"] > 50
    assert results["longest_queue"] > 0
    assert results["first_wait_s"]["median"] < results["further_wait_s"]["median"]


def test_each_broken_rule_is_named() -> None:
    law = Law(servers=2)
    ask = requests(law, 3_600, 1)[0]
    outcome = Outcome(Size(law, 1, 1, 1), left={"active": 1})
    for job_id, entered_at, first in (("t-1", 1.0, True), ("t-2", 0.0, False), ("t-3", 0.0, False)):
        followed = Followed(ask, 0.0, entered_at, answer="entered", first=first, ends=1)
        followed.ask = type(ask)(0.0, "train", 0, 0)
        outcome.followed[job_id] = followed
    outcome.followed["t-3"].ends = 0
    outcome.taken = [
        Taken("t-1", 1, 9.0, 10.0, "finished"),
        Taken("t-2", 1, 5.0, 6.0, "finished"),
        Taken("t-2", 2, 6.0, 7.0, "finished"),
    ]
    assert outcome.problems() == [
        "1 active left in Redis",
        "1 jobs never ended",
        "1 jobs were done or ended twice",
        "1 first trainings were overtaken by another server's further one",
    ]
