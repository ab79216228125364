"""Sends again the jobs whose worker or message is gone.

Each step is a script that does nothing when the job is no longer as it was (`shared.lifecycle`), so nothing is done
twice, also if two bots should look for a moment.
"""

import time

import redis.asyncio
import structlog
from redis.exceptions import RedisError

from bot.background import BackgroundService, redis_call, run_forever
from bot.jobs.client import TRAINING, JobClient
from bot.jobs.decoding import number_of
from bot.jobs.snapshot import read_queues
from bot.jobs.sweep import Memory, SeenJob, sweep
from shared import keys
from shared.jobs import GENERATE_QUEUE, TRAIN_QUEUE

EVERY_S = 2.0

log = structlog.get_logger()


class Recovery(BackgroundService):
    """Finds lost jobs and sends them again, while the bot runs. Jobs that were sent go on without it."""

    def __init__(self, connection: redis.asyncio.Redis, jobs: JobClient) -> None:
        self._redis = connection
        self._jobs = jobs
        self._memory = Memory()

    def start(self) -> None:
        self.spawn(run_forever("recovery", self.look, every_s=EVERY_S))

    async def look(self) -> None:
        """Send again what is lost. Raises redis.RedisError: Redis is away."""
        try:
            jobs, present = await self._see()
            losses, self._memory = sweep(time.monotonic(), jobs, present, self._memory)
            if losses:
                # If Redis takes nothing, no worker can say that it is there, or renew a lease: that is an outage, too.
                await redis_call(self._redis.set(keys.PROBE, "1", ex=60))
            for job, reason in losses:
                await self._jobs.send_again(job.job_id, job.attempt, job.nonce, reason)
        except RedisError:
            self._memory = Memory()
            raise

    async def _see(self) -> tuple[list[SeenJob], set[str]]:
        """Return the jobs that may not be over, and the workers and messages that are there."""
        others = [job_id for job_id in await self._jobs.undelivered() if not job_id.startswith(TRAINING)]
        trainings, workers, messages = await read_queues(self._redis, TRAIN_QUEUE, GENERATE_QUEUE)
        ids = sorted(trainings.union(others))
        async with self._redis.pipeline(transaction=False) as pipe:
            for job_id in ids:
                pipe.hmget(keys.job(job_id), "state", "nonce", "worker", "attempt")
                pipe.pttl(keys.job_lease(job_id))
            answers = await redis_call(pipe.execute())
        jobs = []
        for job_id, fields, lease_ms in zip(ids, answers[::2], answers[1::2], strict=True):
            state, nonce, worker = ((value or b"").decode(errors="replace") for value in fields[:3])
            attempt = int(number_of(fields[3]))
            jobs.append(SeenJob(job_id, job_id in trainings, state, attempt, nonce, worker, max(0.0, lease_ms / 1_000)))
        return jobs, workers.union(messages)
