"""Stand in for workers: take jobs as Celery's workers do, and finish them after a time, without learning or writing.

`python -m benchmarks.growth.workers train|generate PLAN`, where PLAN is a `Plan` as JSON. It runs until its standard
input ends, and then prints what became of each message it took, as a line of JSON each.
"""

import json
import random
import sys
import threading
import time
from dataclasses import asdict, dataclass
from typing import Any

from kombu import Consumer, Message

from galvanic.verdict import Verdict
from shared.connect import connect
from shared.events import Event, Finished, Generated, Progress, Sample, Started
from shared.jobs import TRAIN_QUEUE, GenerateJob, TrainJob
from shared.models import ModelFacts
from shared.settings import get_settings
from worker.app import app
from worker.events import JobEvents
from worker.threads import Heartbeat, Lease

SAMPLES = 5
_LOOK_S = 1.0


@dataclass(frozen=True)
class Plan:
    """How fake workers of one queue work.

    Attributes:
        workers: jobs at once.
        seconds: that a job takes on average; a quarter of them take more than 1.4 times as long.
        events: of progress in a training.
        deaths: share of the attempts that end in the worker's death.
    """

    workers: int
    seconds: float
    events: int = 0
    deaths: float = 0.0
    seed: int = 1


@dataclass(frozen=True)
class Taken:
    """A message that a worker took. `end`: `finished`, `died`, or `stale`: it was out of date."""

    job_id: str
    attempt: int
    begun_at: float
    ended_at: float
    end: str


class FakeWorker(threading.Thread):
    """A worker with one job at a time; after a death it goes on under another name, as a new process would."""

    def __init__(self, queue: str, plan: Plan, number: int, stop: threading.Event, taken: list[Taken]) -> None:
        super().__init__(daemon=True)
        self._queue = queue
        self._plan = plan
        self._number = number
        self._stop = stop
        self._taken = taken
        self._random = random.Random(f"{plan.seed} {queue} {number}")
        self._settings = get_settings()
        self._client = connect(self._settings)

    def run(self) -> None:
        life = 0
        while not self._stop.is_set():
            self._name = f"{self._queue}-{self._number}.{life}"
            with Heartbeat(self._settings, self._queue, self._name):
                self._live()
            life += 1

    def _live(self) -> None:
        """Take jobs until told to stop, or until this worker dies."""
        waiting: list[Message] = []
        with app.connection_for_read() as connection:
            queue = app.amqp.queues[self._queue]
            consumer = Consumer(connection, [queue], accept=["json"], on_message=waiting.append, prefetch_count=1)
            with consumer:
                while not self._stop.is_set():
                    try:
                        connection.drain_events(timeout=_LOOK_S)
                    except TimeoutError:
                        continue
                    for message in waiting:
                        message.ack()  # before it is begun, as the product's workers do
                        if self._work(message.payload[1]) == "died":
                            return
                    waiting.clear()

    def _work(self, kwargs: dict[str, Any]) -> str:
        at = time.time()
        job_id, attempt, nonce = kwargs["job_id"], int(kwargs["attempt"]), kwargs["nonce"]
        events = JobEvents(self._client, job_id)
        data = events.begin(attempt, nonce, worker=self._name, training=self._queue == TRAIN_QUEUE)
        end = "stale"
        if data is not None:
            end = self._train(data, events) if self._queue == TRAIN_QUEUE else self._write(data, events)
        self._taken.append(Taken(job_id, attempt, at, time.time(), end))
        return end

    def _write(self, data: bytes, events: JobEvents) -> str:
        job = GenerateJob.model_validate_json(data)
        time.sleep(self._seconds())
        text = "".join(self._random.choices("etaoin shrdlu", k=job.length))
        events.publish(Generated(seed=job.seed, text=text, temperature=0.8, random_seed=1, seconds=0.1))
        return "finished"

    def _train(self, data: bytes, events: JobEvents) -> str:
        job = TrainJob.model_validate_json(data)
        dies_at = self._random.randrange(1 + self._plan.events) if self._random.random() < self._plan.deaths else None
        pause_s = self._seconds() / (1 + self._plan.events)
        with Lease(self._client, events):
            events.publish(Started(worker=self._name))
            for number in range(self._plan.events + 1):
                if number == dies_at:
                    return "died"
                time.sleep(pause_s)
                for event in self._news(number):
                    events.publish(event)
            events.enter(finished(job, events.model_id()), job.place.guild_id)
        return "finished"

    def _news(self, number: int) -> list[Event]:
        share = number / (self._plan.events + 1)
        told: list[Event] = [
            Progress(done=share, epoch=1, epochs=2, step=number, steps=999, train_loss=1.5, heldout_loss=1.6, eta_s=9.0)
        ]
        if number % max(1, self._plan.events // SAMPLES) == 1:
            text = "".join(self._random.choices("etaoin shrdlu", k=280))
            told.append(Sample(epoch=number, text=text, train_loss=1.5, heldout_loss=1.6))
        return told

    def _seconds(self) -> float:
        """Return the seconds of a job: log-normal, with the plan's mean."""
        return self._plan.seconds * self._random.lognormvariate(-0.125, 0.5)


def finished(job: TrainJob, model_id: str) -> Finished:
    """Return the end of a training, with a model that has no file."""
    model = ModelFacts(
        model_id=model_id,
        name=job.options.name or job.corpus.name,
        recipe="char",
        corpus_title=job.corpus.title,
        corpus_chars=job.corpus.chars,
        parameters=2_000_000,
        epochs=5,
        corpus=job.corpus,
        options=job.options,
        verdict=Verdict(train_loss=1.5, heldout_loss=1.6),
        file_bytes=10_000_000,
    )
    return Finished(model=model, samples=("the sea " * 30,) * 3, seconds=180.0)


def main(arguments: list[str]) -> int:
    """Work until standard input ends."""
    queue, plan = arguments[0], Plan(**json.loads(arguments[1]))
    stop, taken = threading.Event(), list[Taken]()
    workers = [FakeWorker(queue, plan, number, stop, taken) for number in range(plan.workers)]
    for worker in workers:
        worker.start()
    sys.stdin.read()
    stop.set()
    for worker in workers:
        worker.join()
    for each in taken:
        print(json.dumps(asdict(each)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
