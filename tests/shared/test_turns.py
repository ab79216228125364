"""Whose training is next, against a real Redis."""

from __future__ import annotations

import itertools
import threading
from typing import Any, cast

import pytest
import redis
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from shared import keys, turns
from shared.connect import connect
from shared.events import Cancelled, Failed, Interrupted, Queued, Sample, Started, parse_event
from shared.settings import Settings
from tests.factories import place, train_job
from worker.jobs.joblog import JobLog, Superseded, run_script

A, B, C = 101, 102, 103


@pytest.fixture
def client(settings: Settings) -> redis.Redis:
    return connect(settings)


def enter(client: redis.Redis, job_id: str, guild_id: int = A) -> None:
    job = train_job(job_id=job_id, place=place(guild_id=guild_id))
    script = turns.enter(job, (1, 2), (10_000, 10_000), Queued().model_dump_json())
    assert run_script(client, script) == b"entered"


def claim(client: redis.Redis, token: str) -> str | None:
    found = run_script(client, turns.claim(token))
    return None if found is None else found.decode()


def cancel(client: redis.Redis, job_id: str) -> None:
    assert run_script(client, turns.cancel(job_id, Cancelled().model_dump_json())) == b"cancelled"


def claims(client: redis.Redis) -> list[str]:
    """All that wait, in the order in which fresh tokens get them."""
    found = iter(lambda: claim(client, f"token-{client.hlen(keys.CLAIMS)}"), None)
    return [job for job in found if job is not None]


def test_one_training_of_a_server_does_not_wait_for_ten_of_another(client: redis.Redis) -> None:
    for number in range(10):
        enter(client, f"a{number}", A)
    enter(client, "b0", B)
    assert claims(client) == ["a0", "b0", *(f"a{number}" for number in range(1, 10))]


def test_who_comes_later_does_not_catch_up_on_what_others_had_before(client: redis.Redis) -> None:
    """Having been idle is no credit: a server that comes now takes turns from now on."""
    for number in range(6):
        enter(client, f"a{number}", A)
    began = [claim(client, f"x{number}") for number in range(3)]
    for number in range(3):
        enter(client, f"b{number}", B)
    assert began == ["a0", "a1", "a2"]
    assert claims(client) == ["b0", "a3", "b1", "a4", "b2", "a5"]


def test_a_server_that_keeps_asking_gets_no_more_than_its_turn(client: redis.Redis) -> None:
    enter(client, "a0", A)
    assert claim(client, "x") == "a0"
    enter(client, "a1", A)
    enter(client, "b0", B)
    assert claims(client) == ["b0", "a1"]


def test_whoever_cancels_what_waits_keeps_the_turn_for_the_next(client: redis.Redis) -> None:
    for number in range(4):
        enter(client, f"a{number}", A)
    for number in range(2):
        enter(client, f"b{number}", B)
    assert claim(client, "x") == "a0"
    cancel(client, "a1")
    cancel(client, "a2")
    assert claims(client) == ["b0", "a3", "b1"]


def test_who_was_last_in_a_round_is_not_first_in_the_next(client: redis.Redis) -> None:
    enter(client, "0a", A)
    assert claim(client, "x") == "0a"
    for job_id, guild_id in (("1b", B), ("2b", B), ("3b", B), ("4a", A), ("5a", A)):
        enter(client, job_id, guild_id)
    assert claims(client) == ["1b", "4a", "2b", "5a", "3b"]


@hypothesis_settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.sampled_from([A, B, C, 0, -A, -B]), min_size=1, max_size=40))
def test_between_servers_that_wait_nobody_gets_two_more(client: redis.Redis, steps: list[int]) -> None:
    """Goyal et al.: while two servers both wait, what they were given differs by one training at most, each way.

    A step is the server that enters a training, 0 for a claim, and below 0 the server that cancels its oldest one.
    """
    client.flushall()
    number = itertools.count()
    waiting: dict[int, int] = dict.fromkeys((A, B, C), 0)
    # Of each pair, how many more the first was given since both wait, and the span of it.
    lead: dict[tuple[int, int], list[int]] = {}
    guild_of: dict[str, int] = {}
    for step in [*steps, *([0] * 40)]:
        if step < 0:
            if waiting[-step]:
                job_id = next(job for job, guild in guild_of.items() if guild == -step)
                cancel(client, job_id)
                del guild_of[job_id]
                waiting[-step] -= 1
        elif step:
            job_id = f"j{next(number):04}"
            guild_of[job_id] = step
            enter(client, job_id, step)
            waiting[step] += 1
        else:
            job = claim(client, f"token-{next(number)}")
            if job is None:
                assert sum(waiting.values()) == 0
                continue
            guild = guild_of.pop(job)
            for pair, leads in lead.items():
                if guild in pair:
                    leads.append(leads[-1] + (1 if guild == pair[0] else -1))
                    assert max(map(abs, leads)) <= 1
            waiting[guild] -= 1
        both = {pair for pair in itertools.combinations((A, B, C), 2) if all(waiting[one] for one in pair)}
        lead = {pair: lead.get(pair, [0]) for pair in both}


def test_two_workers_never_get_the_same_training(client: redis.Redis, settings: Settings) -> None:
    for number in range(200):
        enter(client, f"a{number}", A + number % 3)
    got: list[list[str]] = [[], []]

    def work(worker: int) -> None:
        own = connect(settings)
        while (job := claim(own, f"w{worker}-{len(got[worker])}")) is not None:
            got[worker].append(job)

    threads = [threading.Thread(target=work, args=(worker,)) for worker in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got[0]) + len(got[1]) == len({*got[0], *got[1]}) == 200


def test_a_token_that_comes_again_gets_the_same_training(client: redis.Redis) -> None:
    enter(client, "a0")
    enter(client, "a1")
    assert claim(client, "x") == claim(client, "x") == "a0"
    assert claim(client, "y") == "a1"


def test_what_was_handed_back_is_next(client: redis.Redis) -> None:
    enter(client, "a0")
    enter(client, "a1")
    enter(client, "b0", B)
    claim(client, "x")
    run_script(client, turns.hand_back("x"))
    assert claim(client, "y") == "a0"
    assert claim(client, "x") == "b0"
    run_script(client, turns.hand_back("unknown"))


def test_a_training_that_is_over_is_in_no_list(client: redis.Redis) -> None:
    enter(client, "a0")
    claim(client, "x")
    log = JobLog(client, "a0")
    log.begin()
    log.publish(Started(worker="w"))
    assert client.hgetall(keys.ACTIVE)
    log.publish(Failed(problem="p"))
    assert client.hgetall(keys.ACTIVE) == client.hgetall(keys.CLAIMS) == {}
    run_script(client, turns.hand_back("x"))
    assert claim(client, "x") is None


def begin(client: redis.Redis, job_id: str) -> JobLog:
    log = JobLog(client, job_id)
    log.begin()
    log.publish(Started(worker="w"))
    return log


def regain(client: redis.Redis, job_id: str) -> bool:
    script = turns.regain(job_id, Interrupted().model_dump_json(), Queued().model_dump_json())
    return bool(run_script(client, script))


def kinds(client: redis.Redis, job_id: str) -> list[str]:
    entries = cast(Any, client.xrange(keys.job_events(job_id)))
    return [parse_event(fields[b"event"]).kind for _, fields in entries]


def test_a_lost_training_waits_again_and_its_old_attempt_says_no_more(client: redis.Redis) -> None:
    enter(client, "a0")
    enter(client, "a1")
    claim(client, "x")
    old = begin(client, "a0")
    client.delete(keys.job_hold("a0"))  # it has expired
    assert regain(client, "a0")
    assert kinds(client, "a0") == ["queued", "started", "interrupted"]
    rung = client.xlen(keys.DOORBELL)
    for late in (Sample(epoch=1, text="x"), Failed(problem="late")):
        with pytest.raises(Superseded):
            old.publish(late)
    assert client.hget(keys.job("a0"), "over") is None
    assert client.xlen(keys.DOORBELL) == rung
    assert not run_script(client, turns.hold("a0", "x"))
    run_script(client, turns.hand_back("x"))
    assert claim(client, "spare") == "a0"
    assert client.hgetall(keys.CLAIMS) == {b"spare": b"a0"}
    assert claim(client, "x") == "a1"
    new = begin(client, "a0")
    new.publish(Failed(problem="p"))
    assert kinds(client, "a0") == ["queued", "started", "interrupted", "started", "failed"]
    assert client.hgetall(keys.CLAIMS) == {b"x": b"a1"}


def test_a_training_that_was_lost_before_it_began_is_queued_again(client: redis.Redis) -> None:
    enter(client, "a0")
    claim(client, "x")
    client.delete(keys.job_hold("a0"))
    late = JobLog(client, "a0")
    late.begin()
    assert regain(client, "a0")
    assert kinds(client, "a0") == ["queued", "queued"]
    with pytest.raises(Superseded):
        late.publish(Started(worker="w"))
    assert client.zrange(keys.WAITING, 0, -1) == [b"a0"]


def test_only_what_is_lost_is_regained(client: redis.Redis) -> None:
    enter(client, "waits")
    assert not regain(client, "waits")
    claim(client, "x")
    assert not regain(client, "waits")  # it runs
    log = begin(client, "waits")
    log.publish(Failed(problem="p"))
    assert not regain(client, "waits")  # it is over
    assert not regain(client, "unknown")
    assert client.zcard(keys.WAITING) == 0


def test_a_training_is_held_from_its_claim_to_its_end(client: redis.Redis) -> None:
    enter(client, "a0")
    claim(client, "x")
    assert 0 < client.ttl(keys.job_hold("a0")) <= turns.HOLD_S
    client.delete(keys.job_hold("a0"))
    assert claim(client, "x") == "a0"  # the token came again
    assert client.exists(keys.job_hold("a0"))
    client.delete(keys.job_hold("a0"))
    assert run_script(client, turns.hold("a0", "x")) == 1
    assert not run_script(client, turns.hold("a0", "another"))
    assert client.get(keys.job_hold("a0")) == b"x"
    run_script(client, turns.hand_back("x"))
    assert not client.exists(keys.job_hold("a0"))
    claim(client, "y")
    begin(client, "a0").publish(Failed(problem="p"))
    assert not client.exists(keys.job_hold("a0"))


@pytest.mark.parametrize("path", ["told", "closed", "cancelled", "its hash has expired"])
def test_no_claim_is_left_of_a_training_that_is_over(client: redis.Redis, path: str) -> None:
    enter(client, "a0")
    claim(client, "x")
    run_script(client, turns.hand_back("x"))
    if path != "cancelled":
        claim(client, "y")
    client.hset(keys.CLAIMS, "z", "a0")  # as an earlier version may have left it
    client.hset(keys.CLAIMS, "other", "b0")
    if path == "told":
        begin(client, "a0").publish(Failed(problem="p"))
    elif path == "cancelled":
        assert run_script(client, turns.cancel("a0", Failed(problem="p").model_dump_json())) == b"cancelled"
    else:
        if path != "closed":
            client.delete(keys.job("a0"))
        run_script(client, turns.close("a0"))
    assert client.hgetall(keys.CLAIMS) == {b"other": b"b0"}


def old_state(client: redis.Redis, *job_ids: str) -> None:
    """Trainings as the version before turns left them: waiting by the time, active nowhere."""
    for number, job_id in enumerate(job_ids):
        client.hset(keys.job(job_id), "job", train_job(job_id=job_id).model_dump_json())
        client.zadd(keys.WAITING, {job_id: 1_700_000_000.25 + number})


def test_trainings_of_an_older_version_go_first(client: redis.Redis) -> None:
    old_state(client, "o1", "o2")
    enter(client, "a0", A)
    enter(client, "a1", A)
    enter(client, "b0", B)
    assert claims(client) == ["o1", "o2", "a0", "b0", "a1"]


def test_a_training_that_an_older_version_had_begun_comes_back_with_its_own_message(client: redis.Redis) -> None:
    old_state(client, "begun")
    client.zrem(keys.WAITING, "begun")
    enter(client, "a0")
    assert claim(client, "begun") == "begun"
    assert claim(client, "begun") == "begun"
    assert claim(client, "a0") == "a0"


def test_a_job_that_was_never_entered_is_not_claimed(client: redis.Redis) -> None:
    assert claim(client, "forgotten") is None


def test_a_training_that_was_taken_back_is_not_counted_again(client: redis.Redis) -> None:
    enter(client, "a0")
    client.delete(keys.job("a0"), keys.ACTIVE)
    run_script(client, turns.adopt(train_job(job_id="a0")))
    assert client.hgetall(keys.ACTIVE) == {}
