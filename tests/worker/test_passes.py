"""No server keeps a worker from others: neither with many requests, nor with long ones."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis

from galvanic.generate import TextModel
from galvanic.request import between_blocks
from galvanic.results import Score
from shared import keys
from shared.events import Surprised
from shared.jobs import MODEL_FILE, Job, Place, SurpriseJob
from tests import lives
from tests.processes import wait_until
from tests.worker.jobs import exported, generate_job, import_job, surprise_job
from worker.handlers import AT_ONCE, HANDLERS, _slots
from worker.jobs import JobContext
from worker.passes import Passes
from worker.transfer import _ONE_FILE
from worker.warm import PASSES

GREEDY, OTHER = 1, 2


@pytest.mark.slow
@pytest.mark.usefixtures("one_and_two")
def test_another_servers_text_gets_through_while_one_keeps_the_worker_busy(client: redis.Redis) -> None:
    over, begun = threading.Event(), threading.Barrier(PASSES + 1)

    def endless(job: SurpriseJob, context: JobContext) -> Surprised:
        """Read, as expensive a text as there may be, until the others are done."""

        def read(model: TextModel) -> Score:
            begun.wait(30)
            while True:
                score = model.score(job.text * 10)
                if over.is_set():
                    return score

        score = context.models.use(job.place.guild_id, job.model.model_id, read)
        return Surprised(nats_per_char=score.nats_per_char, chars=score.chars, most=(), seconds=1)

    greedy = HANDLERS["surprise"]._replace(work=endless)
    expensive = [surprise_job("the boat " * 110).model_copy(update={"job_id": f"s-{n}"}) for n in range(PASSES)]
    elsewhere = Place(guild_id=OTHER, channel_id=5, user_id=6)
    others: list[Job] = [
        generate_job(place=elsewhere),
        surprise_job("the boat").model_copy(update={"job_id": "s-other", "place": elsewhere}),
    ]
    jobs: list[Job] = [*expensive, *others]
    for job in jobs:
        lives.enter(client, job)
    with ThreadPoolExecutor(len(expensive) + len(others)) as threads:
        try:
            ends = [threads.submit(greedy.run, *lives.message(client, job.job_id)) for job in expensive]
            begun.wait(30)
            for job in others:
                threads.submit(HANDLERS[job.kind].run, *lives.message(client, job.job_id)).result(60)
        finally:
            over.set()
    assert not any(end.result() for end in ends)
    assert [lives.newest(client, job.job_id).kind for job in others] == ["generated", "surprised"]
    assert {lives.newest(client, job.job_id).kind for job in expensive} == {"surprised"}


def test_servers_that_wait_share_the_passes_and_one_alone_has_them_all() -> None:
    passes = Passes(PASSES)
    alone, shared = threading.Barrier(PASSES + 1), threading.Barrier(PASSES // 2 + 1)
    over = threading.Event()

    def greedy() -> None:
        with passes.turn(GREEDY):
            alone.wait(30)
            while not over.wait(0.001):
                between_blocks.get()()

    def other() -> None:
        with passes.turn(OTHER):
            shared.wait(30)
            over.wait(30)

    with ThreadPoolExecutor(2 * PASSES) as threads:
        work = [threads.submit(greedy) for _ in range(PASSES)]
        alone.wait(30)
        work += [threads.submit(other) for _ in range(PASSES // 2)]
        shared.wait(30)
        over.set()
        for one in work:
            one.result(30)


def test_a_text_that_several_threads_write_pauses_as_a_whole() -> None:
    passes = Passes(1)
    order: list[str] = []
    waits = threading.Event()

    def other() -> None:
        waits.set()
        with passes.turn(OTHER):
            order.append("other")

    def block() -> None:
        pause()
        order.append("block")

    with passes.turn(GREEDY):
        pause = between_blocks.get()
        beside = threading.Thread(target=other)
        beside.start()
        assert waits.wait(30)
        wait_until(lambda: bool(passes._waiting))
        threads = [threading.Thread(target=block) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
    beside.join(30)
    assert order == ["other", "block", "block"]


@pytest.mark.slow
@pytest.mark.usefixtures("one_and_two")
def test_imports_of_several_servers_do_not_wait_for_each_other(client: redis.Redis) -> None:
    """They are checked one at a time, under a lock: who holds it keeps its turn."""
    data = exported(client)
    places = [Place(guild_id=guild_id, channel_id=5, user_id=6) for guild_id in (*[GREEDY] * (AT_ONCE + 1), OTHER)]
    jobs = [import_job(number, place=place) for number, place in enumerate(places)]
    for job in jobs:
        client.set(keys.artifact(job.job_id, MODEL_FILE), data)
        lives.enter(client, job)
    threads = [
        threading.Thread(target=HANDLERS["import"].run, args=lives.message(client, job.job_id), daemon=True)
        for job in jobs
    ]
    with _ONE_FILE:
        for thread in threads:
            thread.start()
        wait_until(lambda: len(_slots._waiting) == len(jobs) - AT_ONCE)
    wait_until(lambda: not any(thread.is_alive() for thread in threads))
    assert {lives.newest(client, job.job_id).kind for job in jobs} == {"imported"}
