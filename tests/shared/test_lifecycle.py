"""The scripts of a job's life against a real Redis: tried in any order, and one by one where words matter."""

import itertools
from dataclasses import dataclass
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

from bot.jobs.sweep import LOST_S, LostReason, Memory, SeenJob, sweep
from shared import keys, lifecycle
from shared.events import Failed, Sample, Started
from shared.jobs import Job, TrainJob, without_people
from shared.lifecycle import Script
from shared.queues import message_id
from tests.factories import channel_corpus, corpus, finished, generate_job, place, train_job

DONE = Failed(problem="the end", remedy="").model_dump_json()
SIGN = Started(worker="w").model_dump_json()
SAMPLE = Sample(epoch=1, text="words", train_loss=1.0, heldout_loss=1.0).model_dump_json()
RARELY = st.sampled_from([False] * 5 + [True])
"""For what is in the way of all else: a machine that always loses its messages tries little."""
TOLD = {"gone": "died", "died": "died", "lapsed": "lapsed", "lost": "lost"}


def run(client: redis.Redis, script: Script) -> Any:
    answer = client.eval(*script)
    return answer.decode() if isinstance(answer, bytes) else answer


@dataclass
class Message:
    job_id: str
    number: int
    nonce: str


@dataclass
class Attempt:
    """What a worker knows that has begun one."""

    message: Message
    worker: str
    holder: str
    sha256: str = ""  # of the text that it has read
    told: int = lifecycle.FIRST_SEQ - 1

    @property
    def fenced(self) -> tuple[str, int, str]:
        return self.message.job_id, self.message.number, self.message.nonce


class Lives(RuleBasedStateMachine):
    """Trainings of two servers, messages that are lost or come twice, workers that die, sleep and stop.

    Redis answers, and the answer may get lost: then the caller does it again, or never hears of it. The sweep sees what
    is true, a bit later each time.
    """

    client: redis.Redis

    @initialize()
    def start(self) -> None:
        self.client.flushall()
        self.jobs: list[str] = []
        self.reading: list[TrainJob] = []
        self.queue: list[Message] = []
        self.taken: list[Message] = []  # which a worker may yet begin
        self.attempts: list[Attempt] = []
        self.dead: set[str] = set()
        self.clock, self.memory, self.number = 0.0, Memory(), itertools.count()

    def record(self, job_id: str) -> dict[str, str]:
        fields: Any = self.client.hgetall(keys.job(job_id))
        return {name.decode(): value.decode() for name, value in fields.items()}

    def entries(self, job_id: str) -> Any:
        return self.client.xrange(keys.job_events(job_id))

    def ends(self, job_id: str) -> int:
        return sum(b"last" in fields for _, fields in self.entries(job_id))

    @precondition(lambda self: len(self.jobs) < 6)
    @rule(guild_id=st.sampled_from([1, 2]), again=st.booleans(), reads=RARELY, unsent=RARELY)
    def enter(self, guild_id: int, again: bool, reads: bool, unsent: bool) -> None:
        corpus = {"corpus": channel_corpus(None, chars=0)} if reads else {}
        job = train_job(job_id=f"t-{next(self.number)}", place=place(guild_id=guild_id), **corpus)
        script = lifecycle.enter(job, "first", b"" if reads else b"words")
        assert run(self.client, script) == "entered"
        if again:  # the reply was lost
            assert run(self.client, script) == "entered"
        self.jobs.append(job.job_id)
        if reads:
            self.reading.append(job)
        elif not unsent:
            self.queue.append(Message(job.job_id, 1, "first"))

    @precondition(lambda self: self.reading)
    @rule(again=st.booleans(), sent=st.booleans())
    def text_is_read(self, again: bool, sent: bool) -> None:
        job = self.reading.pop()
        over = self.record(job.job_id)["state"] == "over"
        for _ in range(1 + again):
            assert run(self.client, lifecycle.text_read(job, b"words", b"1111")) == (None if over else "first")
        if sent and not over:
            self.queue.append(Message(job.job_id, 1, "first"))

    @precondition(lambda self: self.queue)
    @rule(data=st.data(), lost=RARELY, twice=RARELY)
    def a_worker_takes_a_message(self, data: st.DataObject, lost: bool, twice: bool) -> None:
        message = data.draw(st.sampled_from(self.queue))
        if not twice:
            self.queue.remove(message)
        if not lost:
            self.taken.append(message)

    @precondition(lambda self: self.taken)
    @rule(data=st.data(), again=st.booleans(), lost=RARELY)
    def begin(self, data: st.DataObject, again: bool, lost: bool) -> None:
        """The worker may not hear the answer and die."""
        message = data.draw(st.sampled_from(self.taken))
        self.taken.remove(message)
        self.attempt_at(message, again, lost)

    @precondition(lambda self: self.queue)
    @rule(again=st.booleans(), lost=RARELY)
    def takes_and_begins(self, again: bool, lost: bool) -> None:
        self.attempt_at(self.queue.pop(0), again, lost)

    def attempt_at(self, message: Message, again: bool, lost: bool) -> None:
        own = Attempt(message, f"w{next(self.number)}", lifecycle.new_nonce())
        script = lifecycle.begin(*own.fenced, holder=own.holder, worker=own.worker, training=True)
        before = self.record(message.job_id)
        answer = run(self.client, script)
        if again:
            assert (run(self.client, script) is None) == (answer is None)
        newest = before["attempt"] == str(message.number) and before.get("nonce") == message.nonce
        assert (answer is not None) == (newest and before["state"] == "waiting"), "an attempt begins once"
        if answer is not None:
            if lost:
                self.dead.add(own.worker)
            else:
                own.sha256 = TrainJob.model_validate_json(answer).corpus.sha256
                self.attempts.append(own)

    @precondition(lambda self: self.attempts)
    @rule(data=st.data())
    def renew(self, data: st.DataObject) -> None:
        own = data.draw(st.sampled_from(self.attempts))
        known = self.record(own.message.job_id)
        held = run(self.client, lifecycle.renew(own.message.job_id, own.holder))
        assert bool(held) == (known["state"] == "begun" and known["holder"] == own.holder)
        if not held:
            self.attempts.remove(own)

    def tell(self, own: Attempt, event: str, *, last: bool) -> bool:
        own.told += 1
        entry = f"{own.message.number}-{own.told}"
        try:
            run(self.client, lifecycle.tell(own.message.job_id, entry, event, last=last, progress=False))
        except redis.ResponseError:  # an id that is not the newest
            return False
        return True

    @precondition(lambda self: self.attempts)
    @rule(data=st.data(), event=st.sampled_from([SIGN, SAMPLE, SAMPLE, SAMPLE, DONE]))
    def tells(self, data: st.DataObject, event: str) -> None:
        own = data.draw(st.sampled_from(self.attempts))
        known = self.record(own.message.job_id)
        newest = known.get("attempt") == str(own.message.number)
        taken = self.tell(own, event, last=event == DONE)
        assert taken == newest
        assert not taken or TrainJob.model_validate_json(known["job"]).corpus.sha256 == own.sha256
        if event == DONE or not newest:
            self.attempts.remove(own)

    @precondition(lambda self: self.attempts)
    @rule(data=st.data(), how=st.sampled_from(["stopped", "died"]), again=st.booleans(), sent=st.booleans())
    def worker_goes(self, data: st.DataObject, how: Any, again: bool, sent: bool) -> None:
        own = data.draw(st.sampled_from(self.attempts))
        self.requeue(*own.fenced, how, again=again, sent=sent)
        if how == "died":  # and else it may be one that wakes up
            self.attempts.remove(own)
            self.dead.add(own.worker)

    def requeue(
        self, job_id: str, number: int, nonce: str, how: Any, *, again: bool = False, sent: bool = True
    ) -> None:
        following = lifecycle.new_nonce()
        script = lifecycle.requeue(job_id, number, nonce, how, following)
        answer = run(self.client, script)
        if again:  # the reply was lost
            assert run(self.client, script) == (None if answer == "cancelled" else answer)
        if answer not in (None, "cancelled") and sent:
            self.queue.append(Message(job_id, int(answer), following))

    @precondition(lambda self: self.attempts)
    @rule(data=st.data())
    def killed_with_its_parent(self, data: st.DataObject) -> None:
        own = data.draw(st.sampled_from(self.attempts))
        self.attempts.remove(own)
        self.dead.add(own.worker)

    @precondition(lambda self: self.jobs)
    @rule(data=st.data())
    def lease_lapses(self, data: st.DataObject) -> None:
        self.client.delete(keys.job_lease(data.draw(st.sampled_from(self.jobs))))

    @precondition(lambda self: self.jobs)
    @rule(seconds=st.sampled_from([2.0, 9.0, 30.0]), sent=st.booleans())
    def look(self, seconds: float, sent: bool) -> None:
        """The bot sweeps; after a break nothing is lost at once."""
        self.clock += seconds
        losses, self.memory = sweep(self.clock, *self.seen(), self.memory)
        assert not losses or seconds < 10
        for job, how in losses:
            self.mend(job, how, sent=sent)

    def seen(self) -> tuple[list[SeenJob], set[str]]:
        jobs = []
        for job_id in self.jobs:
            known = self.record(job_id)
            if known["state"] != "over":
                lease_s = 30.0 * bool(self.client.exists(keys.job_lease(job_id)))  # not renewed lately
                fields = (known["state"], int(known["attempt"]), known["nonce"], known.get("worker", ""), lease_s)
                jobs.append(SeenJob(job_id, True, *fields))
        workers = {job.worker for job in jobs} - self.dead
        return jobs, workers | {message_id(message.job_id, message.number) for message in self.queue}

    def mend(self, job: SeenJob, how: LostReason, *, sent: bool = True) -> None:
        self.requeue(job.job_id, job.attempt, job.nonce, TOLD[how], sent=sent)

    @precondition(lambda self: self.jobs)
    @rule(data=st.data(), again=st.booleans(), unsent=RARELY)
    def words_are_withdrawn(self, data: st.DataObject, again: bool, unsent: bool) -> None:
        """What has begun begins anew, and nothing that any worker made of the first text is taken."""
        alive = [job_id for job_id in self.jobs if self.record(job_id)["state"] != "over"]
        job_id = data.draw(st.sampled_from(alive or self.jobs))
        known, text = self.record(job_id), f"text {next(self.number)}"
        job = train_job(job_id=job_id, corpus=corpus(sha256=text))
        following = lifecycle.new_nonce()
        script = lifecycle.replace_text(job, text.encode(), b"22", following)
        answer = run(self.client, script)
        if known["state"] in ("over", "reading"):
            assert answer == "over"
            return
        if answer == "cancelled":
            assert self.asked_to_end(job_id)
            return
        if again:  # the reply was lost
            assert run(self.client, script) == answer
        fresh = known["state"] == "waiting" and known["attempt"] == "1"
        assert answer == ("waiting" if fresh else str(int(known["attempt"]) + 1))
        assert self.client.get(keys.job_text(job_id)) == text.encode()
        assert TrainJob.model_validate_json(self.record(job_id)["job"]).corpus.sha256 == text
        assert not any(b'"sample"' in fields[b"event"] for _, fields in self.entries(job_id))
        if not fresh and not unsent:
            self.queue.append(Message(job_id, int(answer), following))

    def asked_to_end(self, job_id: str) -> bool:
        return bool(self.client.get(keys.job_control(job_id)) == b"cancel")

    @precondition(lambda self: self.attempts)
    @rule(data=st.data(), really=RARELY)
    def registers(self, data: st.DataObject, really: bool) -> None:
        """A model is entered only by the newest attempt, so by none that has read a text which was replaced."""
        if not really:
            return
        own = data.draw(st.sampled_from(self.attempts))
        self.attempts.remove(own)
        known, own.told = self.record(own.message.job_id), own.told + 1
        event = finished()
        script = lifecycle.register(own.message.job_id, f"{own.message.number}-{own.told}", event, 1)
        newest = known["attempt"] == str(own.message.number) and known["state"] != "over"
        try:
            answer = run(self.client, script)
        except redis.ResponseError:  # an id that is not the newest
            assert not newest
        else:
            if newest and self.asked_to_end(own.message.job_id):
                assert answer == "cancelled"
            else:
                assert answer in (("entered", "taken") if newest else ("refused", "taken", "cancelled"))
            if answer == "entered":
                job = TrainJob.model_validate_json(known["job"])
                assert job.corpus.sha256 == own.sha256

    @precondition(lambda self: self.jobs)
    @rule(data=st.data(), really=RARELY)
    def cancel(self, data: st.DataObject, really: bool) -> None:
        if not really:
            return
        job_id = data.draw(st.sampled_from(self.jobs))
        before = self.record(job_id)["state"]
        answer = run(self.client, lifecycle.cancel(job_id))
        assert answer == {"begun": "asked", "over": "over"}.get(before, "cancelled")

    @invariant()
    def none_is_lost_and_none_ends_twice(self) -> None:
        for job_id in getattr(self, "jobs", ()):
            known = self.record(job_id)
            over = known["state"] == "over"
            assert self.ends(job_id) == int(over)
            assert bool(self.client.hexists(keys.ACTIVE, job_id)) != over
            text = self.client.exists(keys.job_text(job_id))
            assert bool(text) == (known["state"] in ("waiting", "begun"))
            if over:
                assert not self.client.exists(keys.job_lease(job_id), keys.job_authors(job_id))
            else:
                assert known["nonce"], "so that the sweep can have it wait again"

    def teardown(self) -> None:
        """With a bot and a worker that are well, all come to an end, whatever was before."""
        if not hasattr(self, "jobs"):
            return
        while self.reading:
            self.text_is_read(False, True)
        self.taken.clear()
        self.attempts.clear()
        for _ in range(int(3 * LOST_S)):
            self.clock += 2
            for job_id in self.jobs:
                if (worker := self.record(job_id).get("worker")) is not None:
                    self.dead.add(worker)
            losses, self.memory = sweep(self.clock, *self.seen(), self.memory)
            for job, how in losses:
                self.mend(job, how)
            while self.queue:
                own = Attempt(self.queue.pop(), "last", "h")
                script = lifecycle.begin(*own.fenced, holder=own.holder, worker=own.worker, training=True)
                if run(self.client, script) is not None:
                    assert self.tell(own, DONE, last=True)
            if not self.client.exists(keys.ACTIVE):
                break
        assert all(self.ends(job_id) == 1 for job_id in self.jobs)
        assert not self.client.exists(keys.ACTIVE)


@pytest.fixture
def client(redis_url: str) -> redis.Redis:
    return redis.Redis.from_url(redis_url)


def test_in_any_order_none_ends_twice_and_none_is_lost(client: redis.Redis) -> None:
    machine = type("Machine", (Lives,), {"client": client})
    run_state_machine_as_test(machine, settings=hypothesis_settings(max_examples=60, stateful_step_count=60))


def entered(client: redis.Redis, job: Job, nonce: str = "n") -> None:
    assert run(client, lifecycle.enter(job, nonce, b"words")) == "entered"


def begun(client: redis.Redis, job: Job, holder: str = "h", number: int = 1, nonce: str = "n") -> Any:
    training = isinstance(job, TrainJob)
    return run(client, lifecycle.begin(job.job_id, number, nonce, holder=holder, worker="w", training=training))


def test_what_is_no_training_has_no_lease(client: redis.Redis) -> None:
    job = generate_job()
    entered(client, job)
    assert begun(client, job) == without_people(job).model_dump_json()
    assert not client.exists(keys.job_lease(job.job_id))
    assert run(client, lifecycle.requeue(job.job_id, 1, "n", "died", "m")) == "2"
    assert begun(client, job) is None
    assert begun(client, job, number=2, nonce="m") is not None


def test_of_two_processes_with_one_attempt_one_has_the_lease(client: redis.Redis) -> None:
    """Redis was killed and has lost its last second, in which the first process had begun."""
    job = train_job()
    entered(client, job)
    before = client.dump(keys.job(job.job_id))
    assert begun(client, job, holder="first") is not None
    client.restore(keys.job(job.job_id), 0, before, replace=True)  # type: ignore[arg-type]
    assert begun(client, job, holder="second") is not None
    held = [run(client, lifecycle.renew(job.job_id, holder)) for holder in ("first", "second")]
    assert held == [0, 1]


def test_a_waiting_training_is_cancelled_in_a_full_redis(client: redis.Redis) -> None:
    jobs = [train_job(job_id=f"t-{number}") for number in (1, 2)]
    for job in jobs:
        entered(client, job)
    begun(client, jobs[1])
    used = client.info("memory")["used_memory"]
    client.config_set("maxmemory", used // 2)
    try:
        with pytest.raises(redis.RedisError):
            client.set("more", "x")
        assert run(client, lifecycle.cancel("t-1")) == "cancelled"
        assert run(client, lifecycle.cancel("t-2")) == "asked"
    finally:
        client.config_set("maxmemory", 0)
    assert client.hkeys(keys.ACTIVE) == [b"t-2"]


def test_only_what_a_call_has_entered_is_given_up_for_it(client: redis.Redis) -> None:
    job = train_job()
    entered(client, job)
    assert run(client, lifecycle.give_up(job.job_id, DONE, "another")) == "not there"
    assert run(client, lifecycle.give_up(job.job_id, DONE, "n")) == "given up"
    assert begun(client, job) is None
    assert not client.exists(keys.ACTIVE, keys.job_text(job.job_id))


def test_given_up_is_an_end_like_any_other(client: redis.Redis) -> None:
    job = generate_job()
    entered(client, job)
    assert begun(client, job) is not None
    assert run(client, lifecycle.give_up(job.job_id, DONE)) == "given up"
    assert run(client, lifecycle.give_up(job.job_id, DONE)) == "over"
    with pytest.raises(redis.ResponseError, match="equal or smaller"):
        run(client, lifecycle.tell(job.job_id, "1-1", SIGN, last=False, progress=False))
