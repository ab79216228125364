"""All trainings that are not over: as the dispatcher needs them, and with estimates for cards, `jobs` and refusals."""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import redis.asyncio
import structlog

from bot.background import reply
from bot.jobs.client import TRAINING, JobClient
from bot.jobs.decoding import card_of, entries, events_of, job_from, read
from bot.jobs.fairness import Estimate, Served, Waiting, beside, estimate, in_order, schedule, served_from
from galvanic.options import TranscriptRef
from shared import keys
from shared.events import Event, Progress, Started
from shared.history import Past
from shared.jobs import TRAIN_QUEUE, TrainJob, is_id

GOOD_FOR_S = 1.5  # many cards ask at the same time, and share what was read once
_LAST_EVENTS = 8

log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True)
class Record(Waiting):
    """A training that is not over, waiting or not."""

    data: bytes | None  # the job (JSON); None: its record is gone
    card: bytes | None  # `channel:message`
    state: str
    attempt: int
    nonce: str
    worker: str  # who has begun it, as `presence` names it
    leased: bool  # its worker, or its message, has some time left

    @property
    def job(self) -> TrainJob | None:
        return _train_job(self.job_id, self.data) if self.data is not None else None


@dataclass(frozen=True)
class Line:
    """All trainings that are not over, and the workers that could make them."""

    begun: tuple[Record, ...]  # those that a worker has, the oldest first
    waiting: tuple[tuple[Record, int], ...]  # sent ones too, in the order they begin, with start tags
    importing: tuple[Record, ...]  # those whose text is yet to be read
    served: dict[int, Served]
    workers: dict[str, str]  # name -> what it does, of those heard of lately

    @property
    def free(self) -> int:
        """Workers that have nothing to do, and nothing on its way."""
        free = sum(state == "free" for state in self.workers.values())
        return max(0, free - sum(one.state == "sent" and one.leased for one, _ in self.waiting))


async def read_line(client: redis.asyncio.Redis) -> Line:
    """In two round trips. Raises redis.RedisError."""
    async with client.pipeline(transaction=True) as pipe:
        pipe.hgetall(keys.ACTIVE)
        pipe.hgetall(keys.SERVED)
        pipe.zrangebyscore(keys.workers(TRAIN_QUEUE), time.time(), "+inf")
        pipe.hgetall(keys.worker_states(TRAIN_QUEUE))
        active, served, alive, states = await reply(pipe.execute())
    active = {
        job_id: guild_id
        for job_id, guild_id in active.items()
        if is_id(job_id.decode(errors="replace")) and guild_id.isdigit()
    }
    names = ("card", "state", "attempt", "nonce", "worker", "arrived", "start_tag")
    async with client.pipeline(transaction=False) as pipe:
        for job_id in active:
            pipe.hmget(keys.job(job_id.decode()), *names)
            pipe.exists(keys.job_lease(job_id.decode()))
            pipe.get(keys.asked(job_id.decode()))
        found = await reply(pipe.execute())
    records = [
        _record(job_id.decode(), int(guild_id), fields, bool(leased), data)
        for (job_id, guild_id), fields, leased, data in zip(
            active.items(), found[::3], found[1::3], found[2::3], strict=True
        )
    ]
    turns = served_from(served)
    begun = [one for one in records if one.state not in ("waiting", "sent", "over", "importing")]
    return Line(
        tuple(sorted(begun, key=lambda one: (len(one.job_id), one.job_id))),  # of one length, the younger the larger
        tuple(in_order((one for one in records if one.state in ("waiting", "sent")), turns)),
        tuple(one for one in records if one.state == "importing"),
        turns,
        {name.decode(): states.get(name, b"").decode() for name in alive},
    )


def _record(job_id: str, guild_id: int, fields: list[bytes | None], leased: bool, data: bytes | None) -> Record:
    card, *others = fields
    state, attempt, nonce, worker, arrived, start_tag = ((value or b"").decode() for value in others)
    return Record(
        job_id=job_id,
        guild_id=guild_id,
        data=data if state else None,  # its hash may have expired first
        card=card,
        state=state,
        attempt=int(attempt or 0),
        nonce=nonce,
        worker=worker,
        arrived=int(arrived or 0),
        start_tag=int(start_tag) if start_tag else None,
        leased=leased,
    )


@functools.lru_cache(maxsize=1_000)
def _train_job(job_id: str, data: bytes) -> TrainJob | None:
    """Read a training, or return None and log once that it is damaged."""
    job = job_from(job_id, data)
    return job if isinstance(job, TrainJob) and job_id.startswith(TRAINING) else None


@dataclass(frozen=True)
class QueuedTraining:
    """Where a training stands among the others."""

    job: TrainJob
    card: tuple[int, int] | None  # channel and message that show it
    place: int | None  # how many wait before it; None: it does not wait
    takes: Estimate | None  # how long it learns in all; None: nobody can say
    begins: Estimate | None = None  # None: it has, no worker is there, or nobody can say
    ends: Estimate | None = None  # when it has learned; None: no worker is there, or nobody can say
    progress: Progress | None = None

    @property
    def runs(self) -> bool:
        """Whether a worker has it."""
        return self.place is None and not self.job.imports

    def is_of(self, guild_id: int | None, user_id: int | None = None) -> bool:
        """Of a server, or of one member there."""
        return self.job.place.guild_id == guild_id and user_id in (None, self.job.place.user_id)


@dataclass(frozen=True)
class QueueSnapshot:
    """The trainings that are not over: those that workers have, those that wait, in their order, and those whose
    channel is being read."""

    trainings: tuple[QueuedTraining, ...]
    machines: tuple[str, ...] = ()  # what the train workers run on, each once
    past: tuple[Past, ...] = ()  # newest first

    @property
    def waiting(self) -> int:
        return sum(one.place is not None for one in self.trainings)

    @property
    def transcripts(self) -> set[str]:
        """Ids of the transcripts that these trainings learn from."""
        return {one.job.corpus.transcript.transcript_id for one in self.trainings if one.job.corpus.transcript}

    def of(self, job_id: str) -> QueuedTraining | None:
        return next((one for one in self.trainings if one.job.job_id == job_id), None)

    def before(self, training: QueuedTraining) -> int:
        """Trainings of other servers that wait or run before one that waits."""
        at = self.trainings.index(training) if training.place is not None else 0
        return sum(not one.is_of(training.job.place.guild_id) for one in self.trainings[:at])

    def first_to_end(self, guild_id: int, user_id: int | None = None) -> QueuedTraining | None:
        """Of a server's trainings, or one member's of them, that which ends first; None: nobody can say."""
        known = [(one.ends.seconds, one) for one in self.trainings if one.is_of(guild_id, user_id) and one.ends]
        return min(known, key=lambda pair: pair[0])[1] if known else None


class Snapshots:
    """Reads the queue from Redis, at most every `GOOD_FOR_S`."""

    def __init__(self, client: redis.asyncio.Redis) -> None:
        self._redis = client
        self._lock = asyncio.Lock()
        self._seen = QueueSnapshot(())
        self._at = float("-inf")

    async def look(self, *, now: bool = False) -> QueueSnapshot:
        """`now`: not one of a moment ago. Raises redis.RedisError."""
        async with self._lock:
            if now or time.monotonic() - self._at > GOOD_FOR_S:
                self._seen = await self._read()
                self._at = time.monotonic()
            return self._seen

    async def _read(self) -> QueueSnapshot:
        line = await read_line(self._redis)
        begun = [(record, job) for record in line.begun if (job := record.job) is not None]
        waiting = [(record, job) for record, _ in line.waiting if (job := record.job) is not None]
        async with self._redis.pipeline(transaction=False) as pipe:
            pipe.lrange(keys.HISTORY, 0, -1)
            pipe.hgetall(keys.worker_info(TRAIN_QUEUE))
            for record, _ in begun:
                pipe.eval(*events_of(record.job_id, count=_LAST_EVENTS, newest=True).call)
            history, info, *streams = await reply(pipe.execute())
        read_past = (read(Past, entry, "history_not_understood") for entry in history)
        past = tuple(one for one in read_past if one is not None)

        def training(record: Record, job: TrainJob, place: int | None) -> QueuedTraining:
            return QueuedTraining(job, card_of(record.card), place, estimate(job.options, job.corpus.chars, past))

        first = [
            _running(training(record, job, None), [event for _, event in entries(job.job_id, stream)])
            for (record, job), stream in zip(begun, streams, strict=True)
        ]
        rest = [training(record, job, place) for place, (record, job) in enumerate(waiting)]
        if line.workers:
            times = schedule([one.ends for one in first], [one.takes for one in rest], len(line.workers), beside(past))
            rest = [replace(one, begins=begins, ends=ends) for one, (begins, ends) in zip(rest, times, strict=True)]
        else:
            first = [replace(one, ends=None) for one in first]
        machines = dict.fromkeys(text.decode() for name, text in sorted(info.items()) if name.decode() in line.workers)
        reading = [training(record, job, None) for record in line.importing if (job := record.job) is not None]
        return QueueSnapshot((*first, *rest, *reading), tuple(machines), past)


def _running(training: QueuedTraining, newest_first: Iterable[Event]) -> QueuedTraining:
    """Add what the last events of a running training say of its end."""
    last = next((event for event in newest_first if isinstance(event, Progress | Started)), None)
    if not isinstance(last, Progress):
        return replace(training, ends=training.takes)
    age_s = max(0.0, time.time() - last.at)
    ends = training.takes if last.eta_s is None else Estimate(max(0.0, last.eta_s - age_s), True)
    return replace(training, progress=last, ends=ends)


async def cancel_trainings(snapshots: Snapshots, jobs: JobClient, concerns: Callable[[TranscriptRef], bool]) -> None:
    """Cancel the trainings that learn from certain messages, or go on from a model that has.

    `concerns`: whether a transcript has such messages. Raises redis.RedisError.
    """
    for job in [one.job for one in (await snapshots.look(now=True)).trainings]:
        if any(map(concerns, job.transcripts or ())):
            await jobs.cancel(job.job_id)
            log.info(
                "channel_training_cancelled",
                job_id=job.job_id,
                guild_id=job.place.guild_id,
                channel_id=job.place.channel_id,
            )
