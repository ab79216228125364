"""What a worker tells of a job arrives once, in order, and only from the newest attempt."""

from typing import Any

import pytest
import redis

from galvanic.results import TrainingCancelled
from shared import keys
from shared.events import Cancelled, Finished, Progress, Sample, Started
from shared.lifecycle import Script
from shared.models import ModelFacts
from tests import lives
from tests.factories import CHANNEL, GUILD, finished, progress, record
from tests.lives import expect
from worker import events as job_events
from worker.events import JobEvents, Superseded


def kinds(client: redis.Redis) -> list[str]:
    return [event.kind for event in lives.told(client, "t-1")]


def test_events_come_in_order_and_notify(client: redis.Redis) -> None:
    log = lives.take(client, "t-1")
    log.publish(Started(worker="w"))
    log.publish(progress())
    log.publish(Sample(epoch=1, text="x"))
    assert kinds(client) == ["started", "progress", "sample"]
    notifications: Any = client.xrange(keys.NOTIFICATIONS)
    assert [fields[b"job"] for _, fields in notifications] == [b"t-1"] * 3


def test_a_long_training_leaves_a_short_stream(client: redis.Redis) -> None:
    for attempt in range(2):
        log = lives.take(client, "t-1")
        log.publish(Started(worker="w"))
        for step in range(50):
            log.publish(progress(step=step))
        log.publish(Sample(epoch=1, text="x"))
        log.publish(progress(step=100 + attempt))
    assert kinds(client) == ["started", "sample", "interrupted", "started", "sample", "progress"]
    assert expect(Progress, lives.newest(client, "t-1")).step == 101


def test_ends_without_a_word_are_counted_since_the_last_stop_in_order(client: redis.Redis) -> None:
    for deaths in (0, 1):
        assert lives.take(client, "t-1").deaths() == deaths
    lives.take(client, "t-1").requeue("stopped", "next")
    for deaths in (0, 1):
        assert lives.take(client, "t-1").deaths() == deaths


@pytest.mark.parametrize(("value", "control"), [("cancel", "cancel"), ("finish", "finish"), ("nonsense", None)])
def test_control(client: redis.Redis, value: str, control: str | None) -> None:
    client.set(keys.job_control("t-1"), value)
    assert JobEvents(client, "t-1").control() == control


def made(**fields: Any) -> Finished:
    """The end of a training, with its model."""
    return finished(model=record(**fields).facts)


def test_a_model_gets_the_name_it_wants(client: redis.Redis) -> None:
    entered = lives.take(client, "t-1").enter(made(corpus_title='A "name":"" of trouble'), GUILD).model
    assert client.hgetall(keys.guild_models(GUILD)) == {b"tides": b"m1"}
    assert not client.exists(keys.channel(CHANNEL)), "which is the bot's"
    stored = client.get(keys.model("m1"))
    assert ModelFacts.model_validate_json(stored) == entered  # type: ignore[arg-type]
    assert entered.name == "tides"


def test_a_taken_name_gets_a_number_and_the_old_model_stays(client: redis.Redis) -> None:
    prepared: list[str] = []
    ends = [
        lives.take(client, f"t-{n}").enter(
            made(model_id=f"m{n}"), GUILD, prepare=lambda named: prepared.append(named.name)
        )
        for n in (1, 2, 3)
    ]
    assert [end.model.name for end in ends] == prepared == ["tides", "tides-2", "tides-3"]
    assert client.hget(keys.guild_models(GUILD), "tides") == b"m1"


def test_an_answer_that_was_lost_enters_nothing_twice(client: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    log = lives.take(client, "t-1")
    lost: list[Any] = []
    run = job_events.run_script

    def lose_the_first(client: redis.Redis, script: Script) -> Any:
        answer = run(client, script)
        if not lost:
            lost.append(answer)
            raise redis.ConnectionError("lost")
        return answer

    monkeypatch.setattr(job_events, "run_script", lose_the_first)
    assert log.enter(made(), GUILD).model.name == "tides"
    assert lost == [b"entered"]
    assert client.xlen(keys.job_events("t-1")) == 1
    assert client.hlen(keys.guild_models(GUILD)) == 1


def test_a_training_that_was_asked_to_end_enters_no_model_and_tells_its_end(client: redis.Redis) -> None:
    """It was asked after it had looked for the last time; what is left for it is to say that it was cancelled."""
    log = lives.take(client, "t-1")
    client.set(keys.job_control("t-1"), "cancel")
    with pytest.raises(TrainingCancelled):
        log.enter(made(), GUILD)
    assert not client.exists(keys.guild_models(GUILD), keys.model("m1"))
    log.publish(Cancelled())
    assert log.is_over()


@pytest.mark.parametrize("why", ["cancelled", "forgotten", "overtaken"])
def test_no_model_is_entered_by_a_job_that_ended_otherwise(client: redis.Redis, why: str) -> None:
    log = lives.take(client, "t-1")
    match why:
        case "cancelled":
            client.hset(keys.job("t-1"), "state", "over")
        case "forgotten":
            client.delete(keys.job("t-1"))
        case _:
            later = lives.take(client, "t-1")
            later.publish(Started(worker="w"))
    with pytest.raises(Superseded):
        log.enter(made(), GUILD)
    with pytest.raises(Superseded):
        log.require_newest()
    assert not client.exists(keys.guild_models(GUILD), keys.model("m1"), keys.channel(CHANNEL))


def test_a_name_that_is_taken_at_the_last_moment_is_not_overwritten(client: redis.Redis) -> None:
    prepared: list[str] = []

    def prepare(named: ModelFacts) -> None:
        if not prepared:
            lives.take(client, "t-2").enter(made(model_id="m2"), GUILD)
        prepared.append(named.name)

    end = lives.take(client, "t-1").enter(made(), GUILD, prepare=prepare)
    assert prepared == ["tides", "tides-2"]
    assert end.model.name == "tides-2"
    assert client.hgetall(keys.guild_models(GUILD)) == {b"tides": b"m2", b"tides-2": b"m1"}


def test_what_redis_lost_is_entered_again(client: redis.Redis) -> None:
    """A Redis that was killed may have lost its last second: the end, and not the attempt."""
    log = lives.take(client, "t-1")
    before = client.hgetall(keys.job("t-1"))
    log.enter(made(), GUILD)
    client.flushall()
    client.hset(keys.job("t-1"), mapping=before)  # type: ignore[arg-type]
    assert not log.is_over()
    assert log.enter(made(), GUILD).model.name == "tides"
    assert log.is_over()


def test_what_got_through_although_its_answer_was_lost_is_told_once(
    client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, run, lost = lives.take(client, "t-1"), job_events.run_script, [True]

    def late(*given: Any) -> Any:
        answer = run(*given)
        if lost.pop():
            raise redis.TimeoutError("Redis stood still")
        return answer

    sample = Sample(epoch=1, text="x")
    with monkeypatch.context() as patch:
        patch.setattr(job_events, "run_script", late)
        with pytest.raises(redis.TimeoutError):
            log.tell_once(sample)
    log.tell_once(sample)
    log.tell_once(Sample(epoch=2, text="y"))
    assert kinds(client) == ["sample", "sample"]
