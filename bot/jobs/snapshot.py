"""All trainings that are not over, each with its estimates: for cards, `jobs` and refusals."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

import redis.asyncio
import structlog
from pydantic import ValidationError

from bot.background import reply
from bot.jobs.client import TRAINING, JobClient
from bot.jobs.decoding import NotUnderstood, card_of, entries, events_of, job_from, understood
from bot.jobs.dispatcher import Record, read_line
from bot.jobs.fairness import Estimate, beside, estimate, schedule
from shared import keys
from shared.events import Progress, Started
from shared.history import Past
from shared.jobs import TRAIN_QUEUE, TrainJob, TranscriptRef

GOOD_FOR_S = 1.5  # many cards ask at the same time, and share what was read once
_LAST_EVENTS = 8

log = structlog.get_logger()


@dataclass(frozen=True)
class QueuedTraining:
    """Where a training stands among the others."""

    job: TrainJob
    card: tuple[int, int] | None  # channel and message that show it
    place: int | None  # how many wait before it; None: a worker has it
    takes: Estimate | None  # how long it learns in all; None: nobody can say
    begins: Estimate | None = None  # None: it has, no worker is there, or nobody can say
    ends: Estimate | None = None  # when it has learned; None: no worker is there, or nobody can say
    progress: Progress | None = None


@dataclass(frozen=True)
class QueueSnapshot:
    """The trainings that are not over: first those that workers have, then those that wait, in their order."""

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

    def before(self, standing: QueuedTraining) -> int:
        """Trainings of other servers that wait or run before one that waits."""
        if standing.place is None:
            return 0
        return sum(
            one.job.place.guild_id != standing.job.place.guild_id
            for one in self.trainings
            if one.place is None or one.place < standing.place
        )

    def first_to_end(self, guild_id: int, user_id: int | None = None) -> QueuedTraining | None:
        """Of a server's trainings, or one member's of them, that which ends first; None: nobody can say."""
        known = [
            (one.ends.seconds, one)
            for one in self.trainings
            if one.job.place.guild_id == guild_id
            and (user_id is None or one.job.place.user_id == user_id)
            and one.ends is not None
        ]
        return min(known, key=lambda pair: pair[0])[1] if known else None

    def count(self, guild_id: int, user_id: int | None = None) -> int:
        places = (one.job.place for one in self.trainings)
        return sum(place.guild_id == guild_id and user_id in (None, place.user_id) for place in places)


class Snapshots:
    """Reads the outlook from Redis, at most every `GOOD_FOR_S`."""

    def __init__(self, client: redis.asyncio.Redis) -> None:
        self._redis = client
        self._lock = asyncio.Lock()
        self._seen: QueueSnapshot | None = None
        self._at = float("-inf")
        self._jobs: dict[str, TrainJob] = {}

    async def look(self, *, now: bool = False) -> QueueSnapshot:
        """`now`: not one of a moment ago. Raises redis.RedisError."""
        async with self._lock:
            if self._seen is None or now or time.monotonic() - self._at > GOOD_FOR_S:
                self._seen = await self._read()
                self._at = time.monotonic()
            return self._seen

    async def _read(self) -> QueueSnapshot:
        line = await read_line(self._redis)
        async with self._redis.pipeline(transaction=False) as pipe:
            pipe.lrange(keys.HISTORY, 0, -1)
            pipe.hgetall(keys.worker_info(TRAIN_QUEUE))
            for record in line.begun:
                text, count, names = events_of(record.job_id, count=_LAST_EVENTS, newest=True).call
                pipe.eval(text, count, *names)
            history, info, *streams = cast(list[Any], await reply(pipe.execute()))
        past = tuple(_past(history))
        known = {record.job_id: self._jobs.get(record.job_id) or _job(record) for record in line.records}
        self._jobs = {job_id: job for job_id, job in known.items() if job is not None}

        def standing(record: Record, place: int | None) -> QueuedTraining | None:
            job = self._jobs.get(record.job_id)
            if job is None:
                return None
            return QueuedTraining(job, card_of(record.card), place, estimate(job.options, job.corpus.chars, past))

        running = zip(line.begun, streams, strict=True)
        first = [_running(one, entries(stream)) for record, stream in running if (one := standing(record, None))]
        readable = [record for record, _ in line.waiting if record.job_id in self._jobs]
        rest = [one for place, record in enumerate(readable) if (one := standing(record, place))]
        if line.workers:
            times = schedule([one.ends for one in first], [one.takes for one in rest], len(line.workers), beside(past))
            rest = [replace(one, begins=begins, ends=ends) for one, (begins, ends) in zip(rest, times, strict=True)]
        else:
            first = [replace(one, ends=None) for one in first]
        machines = dict.fromkeys(text.decode() for name, text in sorted(info.items()) if name.decode() in line.workers)
        return QueueSnapshot((*first, *rest), tuple(machines), past)


def _running(standing: QueuedTraining, newest_first: Iterable[tuple[str, Mapping[bytes, bytes]]]) -> QueuedTraining:
    """Add what the last events of a running training say of its end."""
    for _, fields in newest_first:
        event = understood(standing.job.job_id, fields)
        if isinstance(event, Progress):
            age_s = max(0.0, time.time() - event.at)
            ends = standing.takes if event.eta_s is None else Estimate(max(0.0, event.eta_s - age_s), True)
            return replace(standing, progress=event, ends=ends)
        if isinstance(event, Started):
            break
    return replace(standing, ends=standing.takes)


def _job(record: Record) -> TrainJob | None:
    if record.data is None or not record.job_id.startswith(TRAINING):
        return None
    try:
        job = job_from(record.job_id, record.data)
    except NotUnderstood as error:
        log.error("job_not_understood", job_id=record.job_id, fields=len(error.fields))
        return None
    return job if isinstance(job, TrainJob) else None


def _past(history: list[bytes]) -> Iterable[Past]:
    for entry in history:
        try:
            yield Past.model_validate_json(entry)
        except ValidationError as error:
            log.warning("history_not_understood", fields=error.error_count())


async def cancel_trainings(outlook: Snapshots, queue: JobClient, concerns: Callable[[TranscriptRef], bool]) -> None:
    """Cancel the trainings that learn from certain messages, or go on from a model that has.

    `concerns`: whether a transcript has such messages. Raises redis.RedisError.
    """
    for one in (await outlook.look(now=True)).trainings:
        job = one.job
        if any(map(concerns, job.transcripts or ())):
            await queue.cancel(job.job_id)
            where = {"guild_id": job.place.guild_id, "channel_id": job.place.channel_id}
            log.info("channel_training_cancelled", job_id=job.job_id, **where)
