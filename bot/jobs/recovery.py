"""Sends again the jobs whose worker or message is gone, and the removals of deleted models' files.

Each step is a script that does nothing when the job is no longer as it was (`shared.lifecycle`), so nothing is done
twice, also if two bots should look for a moment.
"""

from __future__ import annotations

import secrets
import time

import redis.asyncio
import structlog
from redis.exceptions import RedisError

from bot.background import Service, redis_call, run_forever
from bot.jobs.client import DELETED_WITHIN_S, TRAINING, JobClient
from bot.jobs.decoding import read
from bot.jobs.sweep import Loss, Memory, Seen, SeenJob, sweep
from shared import keys
from shared.jobs import GENERATE_QUEUE, TRAIN_QUEUE, DeleteJob, is_id
from shared.queues import ids_in_order, lists_of

EVERY_S = 2.0
_MOST_DELETIONS = 8  # sent and not done: a store that hangs must not keep the worker from everything else
_QUEUES = (TRAIN_QUEUE, GENERATE_QUEUE)

log = structlog.get_logger()


class Recovery(Service):
    """Runs while the bot does. What was sent goes on without it."""

    def __init__(self, client: redis.asyncio.Redis, jobs: JobClient) -> None:
        self._redis = client
        self._jobs = jobs
        self._memory = Memory()
        self._deleting: dict[bytes, float] = {}  # id of a deleted model -> when the removal of its files was last sent

    def start(self) -> None:
        self.spawn(run_forever("recovery", self.look, every_s=EVERY_S))
        self.spawn(run_forever("deletions", self.look_after_deletions, every_s=EVERY_S))

    async def look(self) -> None:
        """Send again what is lost. Raises redis.RedisError, kombu.exceptions.OperationalError: Redis is away."""
        try:
            losses, self._memory = sweep(await self._see(), self._memory)
            if losses:
                # If Redis takes nothing, no worker can say that it is there, or renew a lease: that is an outage, too.
                await redis_call(self._redis.set(keys.PROBE, "1", ex=60))
            for loss in losses:
                await self._mend(loss)
        except RedisError:
            self._memory = Memory()
            raise

    async def _see(self) -> Seen:
        """Look at all jobs that are not over, at the queues and at the workers; in two round trips."""
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.hkeys(keys.ACTIVE)
            pipe.smembers(keys.OUTBOX)
            for queue in _QUEUES:
                pipe.zrangebyscore(keys.workers(queue), time.time(), "+inf")
            for name in (name for queue in _QUEUES for name in lists_of(queue)):
                pipe.lrange(name, 0, -1)
            active, undelivered, *more = await redis_call(pipe.execute())
        workers, lists = more[: len(_QUEUES)], more[len(_QUEUES) :]
        names = {job_id.decode(errors="replace") for job_id in (*active, *undelivered)}
        trainings = {job_id.decode(errors="replace") for job_id in active}
        ids = sorted(job_id for job_id in names if is_id(job_id))
        async with self._redis.pipeline(transaction=False) as pipe:
            for job_id in ids:
                pipe.hmget(keys.job(job_id), "state", "attempt", "nonce", "worker")
                pipe.exists(keys.job_lease(job_id))
            found = await redis_call(pipe.execute())
        jobs = [
            _seen_job(job_id, job_id in trainings, fields, bool(leased))
            for job_id, fields, leased in zip(ids, found[::2], found[1::2], strict=True)
        ]
        return Seen(
            time.monotonic(),
            tuple(job for job in jobs if job.training or not job.job_id.startswith(TRAINING)),
            frozenset(name.decode() for alive in workers for name in alive),
            frozenset(ids_in_order(lists)),
        )

    async def _mend(self, loss: Loss) -> None:
        job = loss.job
        if loss.how == "gone":  # a month has passed, or Redis lost it
            log.warning("training_closed", job_id=job.job_id)
            await redis_call(self._redis.hdel(keys.ACTIVE, job.job_id))
        elif await self._jobs.send_again(job.job_id, job.attempt, job.nonce, loss.how):
            log.warning("job_sent_again", job_id=job.job_id, attempt=job.attempt, state=job.state, how=loss.how)

    async def look_after_deletions(self) -> None:
        """Have the files of deleted models removed, and again until that is done; deleting what is gone does nothing.

        Raises as `look`.
        """
        wanted = await redis_call(self._redis.hgetall(keys.DELETING))
        due = time.monotonic() - DELETED_WITHIN_S
        self._deleting = {model_id: at for model_id, at in self._deleting.items() if model_id in wanted}
        under_way = {model_id for model_id, at in self._deleting.items() if at > due}
        # What fails again and again lets the others go first.
        unsent = sorted(wanted.keys() - under_way, key=lambda model_id: self._deleting.get(model_id, float("-inf")))
        if not unsent or not await self._jobs.has_worker(GENERATE_QUEUE):
            return
        for model_id in unsent[: max(0, _MOST_DELETIONS - len(under_way))]:
            job = read(DeleteJob, wanted[model_id], "deletion_not_understood", model_id=model_id.decode())
            if job is not None:
                await self._jobs.submit(job.model_copy(update={"job_id": f"d-{secrets.token_hex(8)}"}))
            self._deleting[model_id] = time.monotonic()


def _seen_job(job_id: str, training: bool, fields: list[bytes | None], leased: bool) -> SeenJob:
    state, attempt, nonce, worker = ((value or b"").decode(errors="replace") for value in fields)
    number = int(attempt) if attempt.isdigit() else 0
    return SeenJob(job_id, training, state if state != "over" else "", number, nonce, worker, leased)
