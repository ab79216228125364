"""The scripts of a job's life against a real Redis: tried in any order, and one by one where words matter."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import Any

import pytest
import redis
from hypothesis import settings as hypothesis_settings, strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from bot.jobs.fairness import Served, Waiting, in_order, serve, virtual_time
from shared import keys, lifecycle
from shared.events import Failed, Started
from shared.jobs import NOBODY, DeleteJob, Job, TrainJob
from shared.lifecycle import Script
from tests.factories import place, train_job

DONE = Failed(problem="the end", remedy="").model_dump_json()
SIGN = Started(worker="w").model_dump_json()


def run(client: redis.Redis, script: Script) -> Any:
    answer = client.eval(*script.call)
    return answer.decode() if isinstance(answer, bytes) else answer


@dataclass
class Attempt:
    """A message, and what its worker knows once it has begun."""

    job_id: str
    number: int
    nonce: str
    holder: str = ""
    told: int = lifecycle.FIRST_SEQ - 1
    begun: bool = False


@dataclass
class Bot:
    """One that leads, or was overtaken and does not know: what it decides on may be of a while ago."""

    seen: list[tuple[str, int, int, str]] = field(default_factory=list)


class Lives(RuleBasedStateMachine):
    """Trainings of two servers, two bots, messages that come late or twice, workers that die, sleep and stop.

    Redis answers, and the answer may get lost: then whoever called does it again, or never hears of it.
    """

    client: redis.Redis

    @initialize()
    def start(self) -> None:
        self.client.flushall()
        self.jobs: list[str] = []
        self.messages: list[Attempt] = []
        self.workers: list[Attempt] = []
        self.bots = (Bot(), Bot())
        self.number = itertools.count()

    def record(self, job_id: str) -> dict[str, str]:
        return {name.decode(): value.decode() for name, value in self.client.hgetall(keys.job(job_id)).items()}

    def ends(self, job_id: str) -> int:
        return sum(b"last" in fields for _, fields in self.client.xrange(keys.job_events(job_id)))

    @precondition(lambda self: len(self.jobs) < 6)
    @rule(guild_id=st.sampled_from([1, 2]), again=st.booleans())
    def enter(self, guild_id: int, again: bool) -> None:
        job = train_job(job_id=f"t-{next(self.number)}", place=place(guild_id=guild_id))
        script = lifecycle.enter(job, "entry", arrived=virtual_time(self.served()))
        assert run(self.client, script) == "entered"
        if again:  # the reply was lost
            assert run(self.client, script) == "entered"
        self.jobs.append(job.job_id)

    def served(self) -> dict[int, Served]:
        found = self.client.hgetall(keys.SERVED).items()
        return {int(guild): Served(*map(int, value.decode().split(":"))) for guild, value in found}

    @precondition(lambda self: self.jobs)
    @rule(which=st.sampled_from([0, 1]))
    def look(self, which: int) -> None:
        """A bot decides what it sends, if it comes to it."""
        served, waiting = self.served(), []
        for job_id in self.jobs:
            known = self.record(job_id)
            if known.get("state") == "waiting":
                owner = self.client.hget(keys.ACTIVE, job_id)
                assert owner is not None
                tag = known.get("start_tag")
                waiting.append(Waiting(job_id, int(owner), int(known["arrived"]), int(tag) if tag else None))
        self.bots[which].seen = []
        for one, tag in in_order(waiting, served):
            served[one.guild_id] = serve(served, one.guild_id, tag)
            kept = served[one.guild_id]
            self.bots[which].seen.append((one.job_id, tag, one.guild_id, f"{kept.start_tag}:{kept.order}"))

    @precondition(lambda self: any(bot.seen for bot in self.bots))
    @rule(which=st.sampled_from([0, 1]), lost=st.booleans())
    def send(self, which: int, lost: bool) -> None:
        """It may be overtaken by now; and it may die, or Redis go away, before the message is there."""
        if not self.bots[which].seen:
            return
        job_id, tag, guild_id, served = self.bots[which].seen.pop(0)
        nonce = lifecycle.new_nonce()
        before = self.record(job_id).get("state")
        attempt = run(self.client, lifecycle.send_training(job_id, nonce, tag, guild_id, served))
        assert (attempt is not None) == (before == "waiting")
        if attempt is not None and not lost:
            self.messages.append(Attempt(job_id, int(attempt), nonce))

    @precondition(lambda self: self.messages)
    @rule(data=st.data(), again=st.booleans(), lost=st.booleans())
    def begin(self, data: st.DataObject, again: bool, lost: bool) -> None:
        """A message comes, perhaps again; the worker may not hear the answer and die."""
        message = data.draw(st.sampled_from(self.messages))
        own = Attempt(message.job_id, message.number, message.nonce, lifecycle.new_nonce())
        script = lifecycle.begin(own.job_id, own.number, own.nonce, holder=own.holder, worker="w", training=True)
        before = self.record(own.job_id).get("state")
        found = run(self.client, script)
        if again:
            assert (run(self.client, script) is None) == (found is None)
        if found is not None:
            assert before == "sent"
            assert self.record(own.job_id)["attempt"] == str(own.number)
            assert not message.begun, "an attempt begins once"
            message.begun = True
            if not lost:
                self.workers.append(own)

    @precondition(lambda self: self.workers)
    @rule(data=st.data())
    def renew(self, data: st.DataObject) -> None:
        own = data.draw(st.sampled_from(self.workers))
        known = self.record(own.job_id)
        held = run(self.client, lifecycle.renew(own.job_id, own.number, own.nonce))
        assert bool(held) == (known["state"] == "begun" and known["attempt"] == str(own.number))
        if not held:
            self.workers.remove(own)

    def tell(self, own: Attempt, event: str, *, last: bool) -> bool:
        own.told += 1
        try:
            run(self.client, lifecycle.tell(own.job_id, f"{own.number}-{own.told}", event, last=last, progress=False))
        except redis.ResponseError:  # an id that is not the newest
            return False
        return True

    @precondition(lambda self: self.workers)
    @rule(data=st.data(), last=st.booleans())
    def tells(self, data: st.DataObject, last: bool) -> None:
        own = data.draw(st.sampled_from(self.workers))
        newest = self.record(own.job_id).get("attempt") == str(own.number)
        assert self.tell(own, DONE if last else SIGN, last=last) == newest
        if last or not newest:
            self.workers.remove(own)

    @precondition(lambda self: self.workers)
    @rule(data=st.data(), how=st.sampled_from(["stopped", "died"]), again=st.booleans())
    def worker_goes(self, data: st.DataObject, how: Any, again: bool) -> None:
        own = data.draw(st.sampled_from(self.workers))
        script = lifecycle.requeue(own.job_id, own.number, own.nonce, how)
        run(self.client, script)
        if again:
            assert run(self.client, script) is None
        if how == "died":  # and else it may be one that wakes up
            self.workers.remove(own)

    @precondition(lambda self: self.jobs)
    @rule(data=st.data())
    def lease_lapses(self, data: st.DataObject) -> None:
        self.client.delete(keys.job_lease(data.draw(st.sampled_from(self.jobs))))

    @precondition(lambda self: self.workers)
    @rule(data=st.data())
    def killed_with_its_parent(self, data: st.DataObject) -> None:
        self.workers.remove(data.draw(st.sampled_from(self.workers)))

    @precondition(lambda self: self.workers)
    @rule()
    def another_takes_over(self) -> None:
        """From a worker that sleeps, and may wake up."""
        self.client.delete(keys.job_lease(self.workers[-1].job_id))
        self.sweep()
        self.look(0)
        self.send(0, lost=False)
        if self.messages:
            newest = self.messages[-1]
            begun = lifecycle.begin(newest.job_id, newest.number, newest.nonce, holder="h", worker="w", training=True)
            newest.begun = newest.begun or run(self.client, begun) is not None

    @precondition(lambda self: self.jobs)
    @rule()
    def sweep(self) -> None:
        for job_id in self.jobs:
            known = self.record(job_id)
            if known.get("state") in ("sent", "begun"):
                held = self.client.exists(keys.job_lease(job_id))
                attempt = int(known["attempt"]), known["nonce"]
                answer = run(self.client, lifecycle.requeue(job_id, *attempt, "lapsed"))
                assert (answer is None) == bool(held)

    @precondition(lambda self: self.jobs)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        job_id = data.draw(st.sampled_from(self.jobs))
        before = self.record(job_id)["state"]
        answer = run(self.client, lifecycle.cancel(job_id))
        assert answer == {"waiting": "cancelled", "sent": "cancelled", "begun": "asked", "over": "over"}[before]

    @invariant()
    def none_is_lost_and_none_ends_twice(self) -> None:
        for job_id in getattr(self, "jobs", ()):
            known = self.record(job_id)
            over = known["state"] == "over"
            assert self.ends(job_id) == int(over)
            assert bool(self.client.hexists(keys.ACTIVE, job_id)) != over
            if over:
                assert not self.client.exists(keys.job_lease(job_id))
            elif known["state"] != "waiting":
                assert known["nonce"]  # so the sweep can take it back once the lease is gone

    def teardown(self) -> None:
        """With a bot and a worker that are well, all come to an end, whatever was before."""
        if not hasattr(self, "jobs"):
            return
        for job_id in self.jobs:
            self.client.delete(keys.job_lease(job_id))
        self.sweep()
        self.look(0)
        while self.bots[0].seen:
            self.messages.clear()
            self.send(0, lost=False)
            for message in self.messages:
                script = lifecycle.begin(
                    message.job_id, message.number, message.nonce, holder="h", worker="w", training=True
                )
                assert run(self.client, script) is not None
                assert self.tell(Attempt(message.job_id, message.number, message.nonce), DONE, last=True)
        assert all(self.ends(job_id) == 1 for job_id in self.jobs)
        assert not self.client.exists(keys.ACTIVE)


@pytest.fixture
def client(redis_url: str) -> redis.Redis:
    return redis.Redis.from_url(redis_url)


def test_in_any_order_none_ends_twice_and_none_is_lost(client: redis.Redis) -> None:
    machine = type("Machine", (Lives,), {"client": client})
    run_state_machine_as_test(machine, settings=hypothesis_settings(max_examples=60, stateful_step_count=60))


def entered(client: redis.Redis, job: Job, nonce: str = "") -> None:
    assert run(client, lifecycle.enter(job, "entry", nonce)) == "entered"


def test_what_is_no_training_is_sent_as_it_is_entered(client: redis.Redis) -> None:
    job = DeleteJob(job_id="d-1", place=place(user_id=NOBODY), model_id="m")
    entered(client, job, "n")
    begun = lifecycle.begin("d-1", 1, "n", holder="h", worker="w", training=False)
    assert run(client, begun) == job.model_dump_json()
    assert not client.exists(keys.job_lease("d-1"), keys.OUTBOX)
    assert run(client, lifecycle.requeue("d-1", 1, "n", "lapsed")) == "waiting"
    assert run(client, lifecycle.send_again("d-1", "m")) == "2"
    assert run(client, begun) is None


def begin_training(client: redis.Redis, job: TrainJob) -> None:
    entered(client, job)
    assert run(client, lifecycle.send_training(job.job_id, "n", 0, 1, "0:1")) == "1"
    assert run(client, lifecycle.begin(job.job_id, 1, "n", holder="h", worker="w", training=True)) is not None


def test_what_was_taken_back_can_be_entered_again_and_never_begins(client: redis.Redis) -> None:
    job = train_job()
    entered(client, job)
    assert run(client, lifecycle.roll_back(job.job_id, "another")) == "not there"
    assert run(client, lifecycle.send_training(job.job_id, "n", 0, 1, "0:1")) == "1"
    assert run(client, lifecycle.roll_back(job.job_id, "entry")) == "undone"
    assert run(client, lifecycle.begin(job.job_id, 1, "n", holder="h", worker="w", training=True)) is None
    assert not client.exists(keys.ACTIVE, keys.OUTBOX, keys.job(job.job_id))
    entered(client, job)


def test_one_that_has_begun_is_not_taken_back_but_asked_to_end(client: redis.Redis) -> None:
    job = train_job()
    begin_training(client, job)
    assert run(client, lifecycle.roll_back(job.job_id)) == "begun"
    assert client.get(keys.job_control(job.job_id)) == b"cancel"
    assert not client.exists(keys.OUTBOX)


def test_given_up_is_an_end_like_any_other(client: redis.Redis) -> None:
    job = DeleteJob(job_id="d-1", place=place(user_id=NOBODY), model_id="m")
    entered(client, job, "n")
    assert run(client, lifecycle.begin("d-1", 1, "n", holder="h", worker="w", training=False)) is not None
    assert run(client, lifecycle.give_up("d-1", DONE)) == "given up"
    assert run(client, lifecycle.give_up("d-1", DONE)) == "over"
    with pytest.raises(redis.ResponseError, match="equal or smaller"):
        run(client, lifecycle.tell("d-1", "1-1", SIGN, last=False, progress=False))
