"""What a worker tells of a job arrives once, in order, and only from the newest attempt."""

from __future__ import annotations

import json

import pytest
import redis

from shared import keys
from shared.connect import connect
from shared.events import Cancelled, Failed, Interrupted, Progress, Sample, Started, parse_event
from shared.models import ModelRecord
from shared.settings import Settings
from tests.factories import CHANNEL, GUILD, progress, record
from worker.joblog import JobLog, News, Superseded


@pytest.fixture
def client(settings: Settings) -> redis.Redis:
    return connect(settings)


def kinds(client: redis.Redis, job_id: str = "t-1") -> list[str]:
    return [parse_event(fields[b"event"]).kind for _, fields in client.xrange(keys.job_events(job_id))]


def test_events_come_in_order_and_ring_the_bell(client: redis.Redis) -> None:
    log = JobLog(client, "t-1")
    log.begin()
    log.publish(Started(worker="w"))
    log.publish(progress())
    log.publish(Sample(epoch=1, text="x"))
    assert kinds(client) == ["started", "progress", "sample"]
    assert [fields[b"job"] for _, fields in client.xrange(keys.DOORBELL)] == [b"t-1"] * 3


def test_an_older_attempt_is_refused_and_changes_nothing(client: redis.Redis) -> None:
    old, new = JobLog(client, "t-1"), JobLog(client, "t-1")
    old.begin()
    old.publish(Started(worker="old"))
    new.begin()
    new.publish(Started(worker="new"))
    with pytest.raises(Superseded):
        old.publish(Failed(problem="p"))
    assert kinds(client) == ["started", "started"]
    assert client.xlen(keys.DOORBELL) == 2


def test_a_long_training_leaves_a_short_stream(client: redis.Redis) -> None:
    for attempt in range(2):
        log = JobLog(client, "t-1")
        log.begin()
        log.publish(Started(worker="w"))
        for step in range(50):
            log.publish(progress(step=step))
        log.publish(Sample(epoch=1, text="x"))
        log.publish(progress(step=100 + attempt))
        if not attempt:
            log.publish(Interrupted())
    assert kinds(client) == ["started", "sample", "interrupted", "started", "sample", "progress"]
    last = parse_event(client.xrevrange(keys.job_events("t-1"), count=1)[0][1][b"event"])  # type: ignore[index]
    assert isinstance(last, Progress)
    assert last.step == 101


def test_a_job_is_over_after_its_final_event(client: redis.Redis) -> None:
    log = JobLog(client, "t-1")
    assert not log.is_over()
    log.begin()
    log.publish(Started(worker="w"))
    assert not log.is_over()
    log.publish(Cancelled())
    assert log.is_over()


def test_attempts_that_end_without_a_word_are_counted(client: redis.Redis) -> None:
    for _ in range(2):
        JobLog(client, "t-1").begin()
    third = JobLog(client, "t-1")
    third.begin()
    assert third.deaths() == 2
    assert third.attempt == 3


def test_nothing_is_kept_for_ever_of_a_job_that_was_taken_back(client: redis.Redis) -> None:
    JobLog(client, "t-1").begin()
    assert 0 < client.ttl(keys.job("t-1")) <= keys.JOB_TTL_S  # type: ignore[operator]


def test_an_orderly_end_is_no_death(client: redis.Redis) -> None:
    first = JobLog(client, "t-1")
    first.begin()
    first.end()
    second = JobLog(client, "t-1")
    second.begin()
    assert second.deaths() == 0
    assert second.attempt == 2


@pytest.mark.parametrize(("value", "control"), [("cancel", "cancel"), ("finish", "finish"), ("nonsense", None)])
def test_control(client: redis.Redis, value: str, control: str | None) -> None:
    client.set(keys.job_control("t-1"), value)
    assert JobLog(client, "t-1").news() == News(control, {})


def test_a_model_gets_the_name_it_wants_and_becomes_the_channels(client: redis.Redis) -> None:
    entered = JobLog(client, "t-1").register(record())
    assert entered.name == "tides"
    assert client.hgetall(keys.guild_models(GUILD)) == {b"tides": b"m1"}
    assert client.hget(keys.channel(CHANNEL), "model") == b"m1"
    stored = client.get(keys.model("m1"))
    assert stored is not None
    assert ModelRecord.model_validate_json(stored) == entered  # type: ignore[arg-type]


def test_a_taken_name_gets_a_number_and_the_old_model_stays(client: redis.Redis) -> None:
    log = JobLog(client, "t-1")
    names = [log.register(record(model_id=f"m{n}")).name for n in (1, 2, 3)]
    assert names == ["tides", "tides-2", "tides-3"]
    assert client.hget(keys.guild_models(GUILD), "tides") == b"m1"


def test_registering_again_changes_nothing(client: redis.Redis) -> None:
    log = JobLog(client, "t-1")
    assert log.register(record()).name == log.register(record()).name == "tides"
    assert client.hlen(keys.guild_models(GUILD)) == 1


def test_ids_survive_registration_exactly(client: redis.Redis) -> None:
    """Lua's numbers are doubles: a snowflake must not go through them."""
    snowflake = 1297000000000000021
    JobLog(client, "t-1").register(record(owner_id=snowflake, corpus_title='A "name":"" of trouble'))
    stored = json.loads(client.get(keys.model("m1")))  # type: ignore[arg-type]
    assert stored["owner_id"] == snowflake
    assert stored["corpus_title"] == 'A "name":"" of trouble'
