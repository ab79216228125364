"""Several train and generate workers, each as on a host of its own: one Redis, one model store on a real S3 server."""

import asyncio
import contextlib
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar, cast

import pytest
import redis

from bot.jobs.client import JobClient
from bot.jobs.recovery import Recovery
from galvanic.options import TrainOptions
from shared import keys
from shared.connect import connect, connect_async
from shared.events import TERMINAL, Event, Finished, Generated, Progress, Started, parse_event
from shared.jobs import Job, TrainJob
from shared.settings import get_settings
from tests.e2e.texts import harbour
from tests.factories import corpus, generate_job, place
from tests.hosts import Host, hosts
from tests.s3 import S3Server
from tests.worker.small import ids
from worker.store import ModelStore

WAIT_S = 480
pytestmark = pytest.mark.timeout(900)  # six processes, and four that import TensorFlow, on whatever runs the tests
TINY = TrainOptions(epochs=1, layers=1, units=16, batch=8, random_seed=1)
T = TypeVar("T")


class Cluster:
    """The hosts, and the bot's side of Redis."""

    def __init__(self, redis_url: str, every: list[Host]) -> None:
        self.settings = get_settings()
        self.client: redis.Redis = connect(self.settings)
        self.hosts = every

    @contextlib.contextmanager
    def dispatching(self) -> Iterator[None]:
        """Send trainings to workers as the bot that leads does."""
        over = threading.Event()

        async def dispatch() -> None:
            client = connect_async(self.settings)
            recovery = Recovery(client, JobClient(self.settings, client))
            recovery.start()
            await asyncio.to_thread(over.wait)
            await recovery.stop()
            await client.aclose()

        thread = threading.Thread(target=asyncio.run, args=(dispatch(),))
        thread.start()
        yield
        over.set()
        thread.join()

    def submit(self, *jobs: Job, text: str = "") -> None:
        """Enter jobs as the bot does."""

        async def send() -> None:
            client = connect_async(self.settings)
            queue = JobClient(self.settings, client)
            for job in jobs:
                if isinstance(job, TrainJob):
                    assert await queue.submit_train(job, text)
                else:
                    assert await queue.submit(job)
            await client.aclose()

        asyncio.run(send())

    def told(self, job_id: str) -> list[tuple[int, Event]]:
        """A job's events, each with the attempt that told it."""
        entries = cast(Any, self.client.xrange(keys.job_events(job_id)))
        return [(int(entry.split(b"-")[0]), parse_event(fields[b"event"])) for entry, fields in entries]

    def until(self, what: str, look: Callable[[], T]) -> T:
        """Wait until something is so; the logs say why it is not."""
        until = time.monotonic() + WAIT_S
        while not (found := look()):
            logs = "\n".join(f"--- {host.name}\n{host.log()[-2_000:]}" for host in self.hosts)
            assert time.monotonic() < until, f"{what} did not come\n{logs}"
            time.sleep(0.1)
        return found

    def ended(self, job_id: str, kind: type[T]) -> T:
        """Wait for a job's end."""

        def end() -> Event | None:
            told = self.told(job_id)
            return told[-1][1] if told and told[-1][1].kind in TERMINAL else None

        event = self.until(f"the end of {job_id}", end)
        assert isinstance(event, kind), event
        return event


@pytest.fixture
def cluster(
    redis_url: str, s3: tuple[S3Server, str], tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Cluster]:
    server, bucket = s3
    train, generate, more = request.param
    every = hosts(tmp_path, train, generate, REDIS_URL=redis_url, **server.environment(bucket), **more)
    made = Cluster(redis_url, every)
    with made.dispatching():
        yield made
    for host in every:
        host.stop(signal.SIGKILL)


def train_job(name: str, guild: int, text: str, options: TrainOptions = TINY) -> TrainJob:
    info = corpus(name=name, source="file", chars=len(text), sha256=f"{len(text):064x}")
    return TrainJob(job_id=f"t-{name}", place=place(guild_id=guild), corpus=info, options=options)


@pytest.mark.long
@pytest.mark.parametrize("cluster", [(2, 1, {"CHECKPOINT_EVERY_S": "1"})], indirect=True)
@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM], ids=["lost", "scaled in"])
def test_a_training_goes_on_on_another_host_and_its_model_writes_on_a_third(
    cluster: Cluster, end: signal.Signals
) -> None:
    text = harbour(400)
    job = train_job("long", 1, text, TINY.model_copy(update={"epochs": None, "minutes": 1.0, "units": 64}))
    first, other, writes = cluster.hosts
    first.start()
    cluster.submit(job, text=text)
    cluster.until("a copy", lambda: '"event": "checkpoint_copied"' in first.log())
    if end is signal.SIGTERM:  # an autoscaler stops one of two workers
        other.start()
        cluster.until("a second worker", lambda: '"event": "worker_ready"' in other.log())
    before = max(event.epoch for _, event in cluster.told(job.job_id) if isinstance(event, Progress))
    stopped_at = len(first.log())
    first.stop(end)
    if end is signal.SIGKILL:
        other.start()
    writes.start()
    model = cluster.ended(job.job_id, Finished).model
    starts = [event for _, event in cluster.told(job.job_id) if isinstance(event, Started)]
    assert [start.resumed for start in starts] == [False, True]
    assert '"event": "checkpoint_brought"' in other.log()
    if end is signal.SIGTERM:
        assert '"event": "checkpoint_copied"' in first.log()[stopped_at:], "what it learned since the copy is lost"
    assert model.epochs >= before
    store = ModelStore(cluster.settings)
    assert ids(store) == [model.model_id]
    cluster.until("no copy", lambda: store.names("checkpoints", "directory") == [])
    asked = generate_job(job_id="g-1", place=place(guild_id=1), model_id=model.model_id)
    cluster.submit(asked)
    assert 1 <= len(cluster.ended(asked.job_id, Generated).text) <= asked.length
