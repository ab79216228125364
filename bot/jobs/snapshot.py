"""All trainings that are not over, with their places and times: for cards, `jobs` and quotas."""

import asyncio
import functools
import heapq
import itertools
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import redis.asyncio
import structlog

from bot.background import redis_call
from bot.jobs.client import TRAINING, JobClient
from bot.jobs.decoding import card_of, entries, events_of, job_from, number_of
from bot.words import Estimate
from galvanic.options import TrainOptions
from shared import keys
from shared.events import Event, Progress, Started
from shared.jobs import TRAIN_QUEUE, ReadingRef, TrainJob, is_id
from shared.logging import job_context
from shared.queues import ids_in_order, lists_of, message_id
from shared.settings import Settings

GOOD_FOR_S = 1.5  # many cards ask at the same time, and share what was read once
_LAST_EVENTS = 8
_AROUND_S = 60.0  # a training reads, judges and writes for about so long besides learning

log = structlog.get_logger()


@dataclass(frozen=True)
class QueuedTraining:
    """A training that is not over, and where it stands among the others."""

    job: TrainJob
    card: tuple[int, int] | None  # ids of the channel and the message that show it
    place: int | None = None  # how many wait before it; None: it does not wait
    begins: Estimate | None = None  # None: it does not wait, or no worker is there
    ends: Estimate | None = None  # None: it has not begun, or no worker is there
    progress: Progress | None = None

    @property
    def runs(self) -> bool:
        """Return whether a worker has it."""
        return self.place is None and not self.job.is_unread

    def is_of(self, guild_id: int | None, user_id: int | None = None) -> bool:
        """Return whether it is a server's, or one member's there."""
        return self.job.place.guild_id == guild_id and user_id in (None, self.job.place.user_id)


@dataclass(frozen=True)
class QueueSnapshot:
    """All trainings that are not over.

    `trainings`: those that workers have, then those that wait, the next one first, then those whose channel is read.
    """

    trainings: tuple[QueuedTraining, ...]

    @property
    def waiting(self) -> int:
        return sum(training.place is not None for training in self.trainings)

    @property
    def readings(self) -> set[str]:
        """Return the ids of the readings of channels that these trainings, and their parents, learn from."""
        return {ref.reading_id for training in self.trainings for ref in training.job.readings}

    def of(self, job_id: str) -> QueuedTraining | None:
        return next((training for training in self.trainings if training.job.job_id == job_id), None)


async def read_queues(connection: redis.asyncio.Redis, *queues: str) -> tuple[set[str], set[str], list[str]]:
    """Read what is there at one moment.

    Return the ids of the trainings that are not over, the names of the queues' workers, and the ids of the messages
    that wait in the queues, the next one of each first. Raises redis.RedisError.
    """
    async with connection.pipeline(transaction=True) as pipe:
        pipe.hkeys(keys.ACTIVE)
        for queue in queues:
            pipe.zrangebyscore(keys.workers(queue), time.time(), "+inf")
        for name in itertools.chain.from_iterable(map(lists_of, queues)):
            pipe.lrange(name, 0, -1)
        active, *more = await redis_call(pipe.execute())
    workers, lists = more[: len(queues)], more[len(queues) :]
    trainings = {job_id for name in active if is_id(job_id := name.decode(errors="replace"))}
    return trainings, {name.decode(errors="replace") for alive in workers for name in alive}, ids_in_order(lists)


class Snapshots:
    """Reads the trainings from Redis, at most every `GOOD_FOR_S` seconds."""

    def __init__(self, connection: redis.asyncio.Redis, settings: Settings) -> None:
        self._redis = connection
        self._settings = settings
        self._lock = asyncio.Lock()
        self._seen = QueueSnapshot(())
        self._at = float("-inf")

    async def look(self, *, now: bool = False) -> QueueSnapshot:
        """Return the trainings; with `now` not those of a moment ago. Raises redis.RedisError."""
        async with self._lock:
            if now or time.monotonic() - self._at > GOOD_FOR_S:
                self._seen = await self._read()
                self._at = time.monotonic()
            return self._seen

    async def trainings(self) -> list[TrainJob]:
        """Return the trainings that are not over now. Raises redis.RedisError."""
        return [training.job for training in (await self.look(now=True)).trainings]

    async def _read(self) -> QueueSnapshot:
        trainings, workers, messages = await read_queues(self._redis, TRAIN_QUEUE)
        ids = sorted(trainings, key=lambda job_id: (len(job_id), job_id))  # larger, or longer, the younger they are
        async with self._redis.pipeline(transaction=False) as pipe:
            for job_id in ids:
                pipe.hmget(keys.job(job_id), "state", "attempt", "card")
                pipe.get(keys.asked(job_id))
                pipe.eval(*events_of(job_id, count=_LAST_EVENTS, newest=True))
            answers = await redis_call(pipe.execute())
        order = {task_id: place for place, task_id in enumerate(messages)}
        begun, waiting, reading = list[QueuedTraining](), list[tuple[int, QueuedTraining]](), list[QueuedTraining]()
        rows = zip(ids, answers[::3], answers[1::3], answers[2::3], strict=True)
        for job_id, (state, attempt, card), data, stream in rows:
            job = _train_job(job_id, data) if data is not None else None
            if job is None or state in (None, b"over"):
                continue
            training = QueuedTraining(job, card_of(card))
            if state == b"begun":
                begun.append(self._running(training, [event for _, event in entries(job_id, stream)]))
            elif state == b"waiting":  # one whose message is not there is sent again, and then it is the next
                waiting.append((order.get(message_id(job_id, int(number_of(attempt))), -1), training))
            else:
                reading.append(training)
        waiting.sort(key=lambda pair: pair[0])
        line = [replace(training, place=place) for place, (_, training) in enumerate(waiting)]
        if workers:
            line = self._timed(begun, line, len(workers))
        else:
            begun = [replace(training, ends=None) for training in begun]
        return QueueSnapshot((*begun, *line, *reading))

    def _running(self, training: QueuedTraining, newest_first: Iterable[Event]) -> QueuedTraining:
        """Add what the last events of a running training say of its end."""
        last = next((event for event in newest_first if isinstance(event, Progress | Started)), None)
        limit = Estimate(limit_s(training.job.options, self._settings), sure=False)
        if not isinstance(last, Progress):
            return replace(training, ends=limit)
        age_s = max(0.0, time.time() - last.at)
        ends = limit if last.eta_s is None else Estimate(max(0.0, last.eta_s - age_s), sure=True)
        return replace(training, progress=last, ends=ends)

    def _timed(
        self, begun: Sequence[QueuedTraining], line: Sequence[QueuedTraining], workers: int
    ) -> list[QueuedTraining]:
        """Add when each training that waits begins at the latest, if all before it take as long as they may."""
        free_in_s = [training.ends.seconds + _AROUND_S for training in begun if training.ends is not None]
        free_in_s += [0.0] * (workers - len(free_in_s))
        heapq.heapify(free_in_s)
        timed = []
        for training in line:
            begins_s = heapq.heappop(free_in_s)
            heapq.heappush(free_in_s, begins_s + limit_s(training.job.options, self._settings) + _AROUND_S)
            timed.append(replace(training, begins=Estimate(begins_s, sure=False)))
        return timed


def limit_s(options: TrainOptions, settings: Settings) -> float:
    """Return the seconds that a training may learn at most."""
    return 60 * (options.minutes if options.minutes is not None else settings.train_max_minutes)


@functools.lru_cache(maxsize=10_000)
def _train_job(job_id: str, data: bytes) -> TrainJob | None:
    """Read a training, or return None and log once that it is damaged."""
    job = job_from(job_id, data)
    return job if isinstance(job, TrainJob) and job_id.startswith(TRAINING) else None


async def cancel_trainings(
    snapshots: Snapshots, jobs: JobClient, guild_id: int | None, concerns: Callable[[ReadingRef], bool]
) -> None:
    """Cancel the trainings of a server (None: of all) that learn from some readings, or go on from a model that has.

    Raises redis.RedisError.
    """
    for job in await snapshots.trainings():
        if guild_id in (None, job.place.guild_id) and any(map(concerns, job.readings)):
            with job_context(job):
                await jobs.cancel(job.job_id)
                log.info("channel_training_cancelled")
