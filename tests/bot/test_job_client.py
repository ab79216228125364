"""The bot's side of jobs and models, against a real Redis."""

import asyncio
import json
import time
from typing import Any

import pytest
import redis
import redis.asyncio
from hypothesis import example, given, strategies as st
from redis.asyncio.connection import AbstractConnection
from structlog.testing import capture_logs

from bot.jobs import client as queue_module
from bot.jobs.client import JobClient
from bot.jobs.decoding import card_of, event_from, events_of, job_from
from shared import keys
from shared.connect import connect
from shared.corpora.corpus import unpack
from shared.events import TERMINAL, Failed
from shared.jobs import GENERATE_QUEUE, MODEL_FILE, SURPRISE_FILE, TRAIN_QUEUE, Job, ModelRef, Piece, SurpriseJob
from shared.settings import Settings
from tests import lives
from tests.factories import GUILD, corpus, examples, generate_job, generated, place, progress, train_job
from tests.strategies import changed, values


async def test_a_training_waits_with_its_text(queue: JobClient, client: redis.asyncio.Redis) -> None:
    job, before = train_job(), time.time()
    assert await queue.submit_train(job, "a tide " * 300)
    assert await client.llen(TRAIN_QUEUE) == 0
    packed: Any = await client.get(keys.job_text(job.job_id))
    assert unpack(packed) == "a tide " * 300
    kept = keys.job_text(job.job_id), keys.asked(job.job_id), keys.job(job.job_id)
    (until,) = {await client.expiretime(key) for key in kept}
    assert until > time.time() + 24 * 3600, "bot and workers may be off for days"
    stored = await queue.load(job.job_id)
    assert stored is not None
    assert stored.job == job
    assert stored.card is None
    assert before <= stored.entered_at <= time.time()
    assert await queue.undelivered() == {job.job_id}
    assert await client.hget(keys.job(job.job_id), "state") == b"waiting"


async def test_a_job_that_is_not_understood_puts_nobodys_words_into_the_log(
    queue: JobClient, client: redis.asyncio.Redis
) -> None:
    data = generate_job(seed="my secret").model_dump(mode="json")
    for broken in (data, data | {"kind": "my secret"}, {"seed": "my secret"}, data | {"my secret": 1}):
        await client.set(keys.asked("g-9"), json.dumps(broken))
        with capture_logs() as logs:
            assert await queue.load("g-9") is None
        assert [line["event"] for line in logs] == ["job_not_understood"]
        assert "secret" not in str(logs)


async def test_a_request_to_finish_does_not_undo_one_to_cancel(queue: JobClient, settings: Settings) -> None:
    await queue.finish("t-1")
    assert await queue.control("t-1") == "finish"
    await queue.submit_train(train_job(), "text")
    await queue.cancel("t-1")
    await queue.finish("t-1")
    assert await queue.control("t-1") == "cancel"


async def test_notifications_tell_who_has_news(queue: JobClient, settings: Settings) -> None:
    log = lives.take(connect(settings), "t-1")
    with queue.news_of("t-1") as news, queue.news_of("t-2") as others:
        queue.start()
        await asyncio.wait_for(news.wait(), 5)  # there may have been some before
        news.clear()
        others.clear()
        await asyncio.to_thread(log.publish, Failed(problem="p"))
        await asyncio.wait_for(news.wait(), 5)
        assert not others.is_set()
    await queue.stop()
    (entry, event) = (await queue.events("t-1", "0"))[-1]
    assert event.kind == "failed"
    assert await queue.events("t-1", entry) == []


@pytest.mark.parametrize("worker_is_older", [True, False])
async def test_nothing_larger_than_an_event_or_a_file_reaches_the_bot(
    queue: JobClient, client: redis.asyncio.Redis, settings: Settings, worker_is_older: bool
) -> None:
    """As workers before a bound of theirs wrote it, or one that somebody else has taken over."""
    worker = lives.take(connect(settings), "g-1")
    seed = "x" * (30_000 if worker_is_older else 20 * 2**20)
    worker.publish(generated().model_copy(update={"seed": seed}))
    answer = await client.eval(*events_of("g-1"))
    assert len(str(answer)) < 50_000
    ((_, ended),) = await queue.events("g-1", "0")
    assert isinstance(ended, Failed)
    assert "can't read how" in ended.problem
    for size, read in ((8 * 2**20, True), (8 * 2**20 + 1, False)):
        worker.attach(SURPRISE_FILE, b"x" * size)
        assert (await queue.artifact("g-1", SURPRISE_FILE) is not None) is read
    assert await queue.artifact("g-1", MODEL_FILE) is None


WHO, WHOSE, MESSAGE = 1_111_111_111_111, 2_222_222_222_222, 3_333_333_333_333


async def test_a_worker_is_not_told_who_asked_nor_whose_words_these_are(queue: JobClient, sync: redis.Redis) -> None:
    own = place(user_id=WHO, message_id=MESSAGE)
    pieces = (Piece(chars=4, author_id=WHOSE),)
    jobs = (
        generate_job(job_id="g-1", place=own, author_id=WHOSE),
        generate_job(job_id="g-2", place=own, seed="rain", pieces=pieces),
        SurpriseJob(job_id="s-1", place=own, model=ModelRef(model_id="m", name="m"), text="rain", author_id=WHOSE),
    )
    for job in jobs:
        lives.enter(sync, job)
        stored = await queue.load(job.job_id)
        assert stored is not None
        assert stored.job == job
        told = str(sync.hgetall(keys.job(job.job_id)))
        assert not [who for who in (WHO, WHOSE, MESSAGE) if str(who) in told]
        sync.delete(keys.asked(job.job_id))
        assert await queue.load(job.job_id) is None, "without it, nobody knows whose it was"


async def test_a_servers_oldest_uploads_are_dropped(queue: JobClient, client: redis.asyncio.Redis) -> None:
    texts = [f"{number:02}" * 32 for number in range(23)]
    for number, sha256 in enumerate(texts):
        job = train_job(job_id=f"t-{number}", corpus=corpus(sha256=sha256))
        await queue.submit_train(job, "a tide " * 300)
        if number != 1:  # which waits for a worker, and has its text under the job
            await queue.cancel(job.job_id)
    kept = [bool(await client.exists(keys.upload(GUILD, sha256))) for sha256 in texts]
    assert kept == [False, False, False, *[True] * 20]
    assert await client.exists(keys.job_text("t-1"))
    await queue.submit_train(train_job(job_id="t-99", corpus=corpus(sha256="9" * 64, source="catalogue")), "a")
    assert await client.exists(keys.upload(GUILD, texts[3]))


# ---------------------------------------------------------------------- Redis goes away in the middle of a submission

ENTERED = "return 'entered'"
"""In the script that enters a job."""
GIVEN_UP = "return 'given up'"


class Lossy:
    """The bot's connections to Redis, which break when a test says so."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self._lost: list[tuple[bytes, bool]] = []
        send = AbstractConnection.send_packed_command

        async def sending(connection: AbstractConnection, command: Any, check_health: bool = True) -> None:
            sent = command if isinstance(command, bytes) else b"".join(command)
            found = next((one for one in self._lost if one[0] in sent), None)
            if found is None or found[1]:
                await send(connection, command, check_health)
            if found is not None:
                self._lost.remove(found)
                if found[1]:
                    await connection.read_response()
                await connection.disconnect()
                raise redis.ConnectionError("lost")

        patch.setattr(AbstractConnection, "send_packed_command", sending)

    def lose_reply(self, words: str, times: int = 1) -> None:
        """Let the next request that has these words be carried out, and its reply get lost."""
        self._lost += [(words.encode(), True)] * times

    def lose_request(self, words: str, times: int = 1) -> None:
        """Let the next request that has these words get lost."""
        self._lost += [(words.encode(), False)] * times


@pytest.fixture
def lossy(monkeypatch: pytest.MonkeyPatch) -> Lossy:
    monkeypatch.setattr(queue_module, "_TRY_AGAIN_S", 0.01)
    return Lossy(monkeypatch)


async def submit(queue: JobClient, job: Job) -> bool:
    return await (queue.submit_train(job, "text") if job.kind == "train" else queue.submit(job))


async def assert_over(queue: JobClient, sync: redis.Redis, job: Job) -> None:
    """A job is over, and nobody is to be shown that, once what was begun is done."""
    await asyncio.gather(*queue.tasks)
    assert sync.hget(keys.job(job.job_id), "state") == b"over"
    assert sync.smembers(keys.OUTBOX) == set()
    assert sync.hgetall(keys.ACTIVE) == {}


BOTH = pytest.mark.parametrize(("job", "line"), [(generate_job(), GENERATE_QUEUE), (train_job(), TRAIN_QUEUE)])


@BOTH
async def test_a_lost_reply_loses_no_job(
    queue: JobClient, lossy: Lossy, sync: redis.Redis, job: Job, line: str
) -> None:
    lossy.lose_reply(ENTERED)
    assert await submit(queue, job)
    assert not await submit(queue, job)
    assert sync.llen(line) == (line == GENERATE_QUEUE), "a training waits for a worker that is free"
    assert await queue.undelivered() == {job.job_id}


async def test_what_may_have_been_entered_is_taken_back(queue: JobClient, lossy: Lossy, sync: redis.Redis) -> None:
    job = generate_job()
    lossy.lose_reply(ENTERED, times=2)  # once more than it is tried
    lossy.lose_request(GIVEN_UP, times=3)
    with pytest.raises(redis.ConnectionError):
        await submit(queue, job)
    await assert_over(queue, sync, job)
    assert sync.llen(GENERATE_QUEUE) == 0


async def test_taking_back_spares_what_another_call_entered(queue: JobClient, lossy: Lossy, sync: redis.Redis) -> None:
    assert await submit(queue, generate_job())
    lossy.lose_reply(ENTERED, times=2)
    with pytest.raises(redis.ConnectionError):
        await submit(queue, generate_job())
    await asyncio.gather(*queue.tasks)
    assert await queue.load("g-1") is not None


# ---------------------------------------------------------------------- damaged or forged jobs and events

JOBS = [job.model_dump(mode="json") for job, _ in examples()]
EVENTS = [event.model_dump(mode="json") for event in (progress(), *(end for _, end in examples()))]


def lying(of: list[dict[str, object]]) -> st.SearchStrategy[bytes]:
    """What may lie in Redis in place of one of these."""
    return st.binary(max_size=30) | (st.sampled_from(of).flatmap(changed) | values).map(
        lambda it: json.dumps(it).encode()
    )


@given(lying(JOBS))
@example(b"{")
@example(json.dumps({**JOBS[0], "job_id": "t-8"}).encode())
@example(b'{"version": 2, "kind": "train", "job_id": "t-1", "wish": "more"}')
def test_a_job_is_read_or_damaged(data: bytes) -> None:
    job = job_from("t-1", data)
    if job is not None:
        assert job.job_id == "t-1"
        job.model_dump_json().encode()


@given(lying(EVENTS), st.booleans())
@example(b"[" * 10_000, True)
@example(b'{"kind": "finished", "version": 2}', False)
@example(b'{"kind": "from the future"}', True)
def test_an_event_is_read_or_passed_over_and_the_last_one_is_an_end(data: bytes, last: bool) -> None:
    event = event_from("t-1", {b"event": data, **({b"last": b"1"} if last else {})})
    if event is not None:
        event.model_dump_json().encode()
        assert all(abs(number) < 2**64 for number in event.model_dump().values() if isinstance(number, int | float))


def test_an_entry_without_an_event_is_passed_over_but_not_as_the_last() -> None:
    assert event_from("t-1", {b"other": b"{}"}) is None
    end = event_from("t-1", {b"last": b"1"})
    assert end is not None
    assert end.kind in TERMINAL


@pytest.mark.parametrize("value", [None, b"", b"x", b"1", b"1:2:3", b":", b"-1:-1", "٣:٣".encode(), b"9" * 40 + b":1"])
def test_what_is_no_card_is_none(value: bytes | None) -> None:
    assert card_of(value) is None
    assert card_of(b"12:34") == (12, 34)
