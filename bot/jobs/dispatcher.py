"""Sends the next training whenever a worker is free, and requeues or sends again whatever has no worker any more.

There is one bot for a token, so one dispatcher. Should there be two for a moment, each step is a script that does
nothing when the job is no longer as it was (`shared.lifecycle`), so no training is made twice. Celery gets only as many
trainings as there are free workers: what waits is in the records, and nobody else decides on an order.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from typing import Literal

import redis.asyncio
import structlog
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from bot.background import Service, reply, run_forever
from bot.jobs.client import DELETED_WITHIN_S, TRAINING, JobClient
from bot.jobs.decoding import job_from, read
from bot.jobs.fairness import Served, serve
from bot.jobs.snapshot import Line, Record, read_line
from shared import keys, lifecycle, presence
from shared.jobs import GENERATE_QUEUE, TRAIN_QUEUE, DeleteJob, TrainJob
from shared.metrics import JOBS

EVERY_S = 2.0  # between two looks without news
_TEXTS_EVERY_S = 4.0
_AT_MOST_EVERY_S = 0.1
_NO_BREAK_S = 10.0
"""Longer between two looks: this process or Redis stood still, and leases may have lapsed meanwhile."""
_GONE_S = 14.0  # a worker that is not `presence.alive` for so long besides was killed, with the training that it had
_MOST_DELETIONS = 8  # sent and not done: a store that hangs must not keep the worker from everything else
_MOST_ATTEMPTS = 3  # at what somebody waits for

log = structlog.get_logger()


class Dispatcher(Service):
    """Runs while the bot leads. What it has sent goes on without it."""

    def __init__(self, client: redis.asyncio.Redis, jobs: JobClient) -> None:
        self._redis = client
        self._jobs = jobs
        self._since = self._seen = float("-inf")
        self._there: dict[str, float] = {}  # name of a train worker -> when it was last seen alive
        self._lost: set[tuple[str, bytes]] = set()  # attempts at texts that were lost at the last look
        self._deleting: dict[bytes, float] = {}  # id of a deleted model -> when the removal of its files was last sent

    def start(self) -> None:
        self.spawn(self._dispatch())
        self.spawn(run_forever("texts", self.look_after_texts, every_s=_TEXTS_EVERY_S))
        self.spawn(run_forever("deletions", self.look_after_deletions, every_s=EVERY_S))

    # ------------------------------------------------------------------ trainings

    async def _dispatch(self) -> None:
        async def step() -> None:
            await self.look()
            await asyncio.sleep(_AT_MOST_EVERY_S)

        with self._jobs.news_of("") as news:
            await run_forever("dispatcher", step, every_s=EVERY_S, wakeup=news)

    async def look(self) -> None:
        """Requeue the trainings that lapsed, and send those that can begin.

        Raises redis.RedisError or kombu.exceptions.OperationalError when Redis cannot be reached.
        """
        try:
            line = await read_line(self._redis)
            now = time.monotonic()
            if now - self._seen > _NO_BREAK_S:
                self._since = now
            self._seen = now
            if await self._sweep(line, now):
                line = await read_line(self._redis)
            await self._send_next(line)
        except RedisError:
            self._seen = float("-inf")
            raise

    async def _sweep(self, line: Line, now: float) -> bool:
        """Requeue what has no worker any more; whether anything was."""
        self._there |= dict.fromkeys(line.workers, now)
        if any(not one.leased or one.worker not in line.workers for one in line.begun):
            # Where Redis takes nothing, no worker can say that it is there, or renew a lease: that is an outage, too.
            await reply(self._redis.set(keys.PROBE, "1", ex=60))
        found = False
        for record in (*line.begun, *(one for one, _ in line.waiting)):
            if record.job is None:  # a month has passed, or Redis lost or damaged it
                log.warning("training_closed", job_id=record.job_id, guild_id=record.guild_id)
                await reply(self._redis.hdel(keys.ACTIVE, record.job_id))
            elif self._is_dead(record, now):
                how: Literal["died", "lapsed"] = "died" if record.leased else "lapsed"
                answer = await self._jobs.run(lifecycle.requeue(record.job_id, record.attempt, record.nonce, how))
                if answer is not None:
                    found = True
                    log.warning(
                        "training_lapsed",
                        job_id=record.job_id,
                        guild_id=record.guild_id,
                        channel_id=record.job.place.channel_id,
                        attempt=record.attempt,
                        state=record.state,
                    )
                if answer == b"cancelled":
                    JOBS.labels(TRAIN_QUEUE, "cancelled").inc()
        return found

    def _is_dead(self, record: Record, now: float) -> bool:
        """Whether nobody has what was sent or begun. While Redis is away no worker could say that it is there."""
        if record.state == "sent":
            return not record.leased
        gone_s = now - max(self._since, self._there.setdefault(record.worker, now))
        lapsed = not record.leased and now - self._since > lifecycle.LEASE_S
        return record.state == "begun" and (lapsed or (bool(record.worker) and gone_s > _GONE_S))

    async def _send_next(self, line: Line) -> None:
        served, free = dict(line.served), line.free
        for record, start_tag in line.waiting:
            if free <= 0:
                return
            if record.state == "waiting" and (job := record.job) is not None:
                turn = served[record.guild_id] = serve(served, record.guild_id, start_tag)
                free -= await self._send(record, job, start_tag, turn)

    async def _send(self, record: Record, job: TrainJob, start_tag: int, turn: Served) -> bool:
        nonce = lifecycle.new_nonce()
        script = lifecycle.send_training(record.job_id, nonce, start_tag, record.guild_id, str(turn))
        if (attempt := await self._jobs.run(script)) is None:
            return False  # it was cancelled a moment ago, or another bot has sent it
        number = int(attempt)
        try:
            await self._jobs.send(job, number, nonce)
        except OperationalError:
            with contextlib.suppress(RedisError):  # and else it lapses
                await self._jobs.run(lifecycle.requeue(record.job_id, number, nonce, "unsent"))
            raise
        return True

    # ------------------------------------------------------------------ everything else

    async def look_after_texts(self) -> None:
        """Send what somebody waits for again, at most twice, if its worker is gone, or it is nowhere at all.

        What looks so at two looks is: a message may just be on its way. Raises as `look`.
        """
        seen, self._lost = self._lost, set()
        asked = sorted(job_id for job_id in await self._jobs.undelivered() if not job_id.startswith(TRAINING))
        alive = {name.encode() for name in await reply(presence.alive_async(self._redis, GENERATE_QUEUE))}
        if not asked or not alive:
            return  # the next worker finds them in the queue, or is asked then
        async with self._redis.pipeline(transaction=False) as pipe:
            pipe.llen(GENERATE_QUEUE)
            for job_id in asked:
                pipe.hmget(keys.job(job_id), "job", "state", "attempt", "nonce", "worker")
            queued, *records = await reply(pipe.execute())
        for job_id, (data, state, attempt, nonce, worker) in zip(asked, records, strict=True):
            begun = state == b"begun"
            gone = worker not in alive if begun else state == b"waiting" or (state == b"sent" and not queued)
            if gone and int(attempt) < _MOST_ATTEMPTS:
                self._lost.add((job_id, attempt))
                if (job_id, attempt) in seen:
                    await self._send_again(job_id, data, int(attempt), (nonce or b"").decode())

    async def _send_again(self, job_id: str, data: bytes, attempt: int, nonce: str) -> None:
        await self._jobs.run(lifecycle.requeue(job_id, attempt, nonce, "lapsed"))
        again = lifecycle.new_nonce()
        number = await self._jobs.run(lifecycle.send_again(job_id, again))
        if number is not None:  # it has not just ended
            log.warning("asked_again", job_id=job_id)
            if (job := job_from(job_id, data)) is not None:
                await self._jobs.send(job, int(number), again)

    async def look_after_deletions(self) -> None:
        """Have the files of deleted models removed, and again until that is done; deleting what is gone does nothing.

        Raises as `look`.
        """
        wanted = await reply(self._redis.hgetall(keys.DELETING))
        due = time.monotonic() - DELETED_WITHIN_S
        self._deleting = {model_id: at for model_id, at in self._deleting.items() if model_id in wanted}
        under_way = {model_id for model_id, at in self._deleting.items() if at > due}
        # What fails again and again lets the others go first.
        unsent = sorted(wanted.keys() - under_way, key=lambda one: self._deleting.get(one, float("-inf")))
        if not unsent or not await self._jobs.has_worker(GENERATE_QUEUE):
            return
        for model_id in unsent[: max(0, _MOST_DELETIONS - len(under_way))]:
            job = read(DeleteJob, wanted[model_id], "deletion_not_understood", model_id=model_id.decode())
            if job is not None:
                await self._jobs.submit(job.model_copy(update={"job_id": f"d-{secrets.token_hex(8)}"}))
            self._deleting[model_id] = time.monotonic()
