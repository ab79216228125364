"""Sends the next training whenever a worker is free, and requeues what was sent or begun and has no worker any more.

There is one bot for a token, so one dispatcher. Should there be two for a moment, each step is a script that does
nothing when the job is no longer as it was (`shared.lifecycle`), so no training is made twice. Celery gets only as many
messages as there are free workers: what waits is in the records, and nobody else decides on an order.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import redis.asyncio
import structlog
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from bot.background import Tasks, reply, run_forever
from bot.jobs.client import JobClient
from bot.jobs.decoding import NotUnderstood, job_from
from bot.jobs.fairness import Owner, Served, Waiting, in_order, serve, served_from
from shared import keys, lifecycle, messages
from shared.jobs import TRAIN_QUEUE

_AT_MOST_EVERY_S = 0.1
_NO_BREAK_S = 10.0
"""Longer between two looks: this process or Redis stood still, and leases may have lapsed meanwhile."""

log = structlog.get_logger()


@dataclass(frozen=True)
class Record:
    """A training that is not over."""

    job_id: str
    owner: Owner
    data: bytes | None  # the job (JSON); None: its record is gone
    card: bytes | None  # `channel:message`
    state: str
    attempt: int
    nonce: str
    arrived: int
    start_tag: int | None
    leased: bool  # its worker, or its message, has some time left


@dataclass(frozen=True)
class Line:
    """All trainings that are not over, and the workers that could make them."""

    begun: tuple[Record, ...]  # those that a worker has, the oldest first
    waiting: tuple[tuple[Record, int], ...]  # the others, sent ones too, in the order they begin, with start tags
    served: dict[int, Served]
    workers: dict[str, str]  # name -> what it does, of those heard of lately

    @property
    def records(self) -> tuple[Record, ...]:
        return (*self.begun, *(one for one, _ in self.waiting))

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
    names = ("job", "card", "state", "attempt", "nonce", "arrived", "start_tag")
    found: list[Any] = []
    if active:
        async with client.pipeline(transaction=False) as pipe:
            for job_id in active:
                pipe.hmget(keys.job(job_id.decode()), *names)
                pipe.exists(keys.job_lease(job_id.decode()))
            found = await reply(pipe.execute())
    records = {}
    for (job_id, owner), fields, leased in zip(active.items(), found[::2], found[1::2], strict=True):
        data, card, state, attempt, nonce, arrived, start_tag = fields
        records[job_id.decode()] = Record(
            job_id.decode(),
            Owner.of(owner),
            data,
            card,
            (state or b"").decode(),
            int(attempt or 0),
            (nonce or b"").decode(),
            int(arrived or 0),
            int(start_tag) if start_tag is not None else None,
            bool(leased),
        )
    turns = served_from(served)
    waiting = [
        Waiting(one.job_id, one.owner.guild_id, one.arrived, one.start_tag)
        for one in records.values()
        if one.state in ("waiting", "sent")
    ]
    begun = [one for one in records.values() if one.state not in ("waiting", "sent", "over")]
    return Line(
        # Ids of one length, and the younger the larger.
        tuple(sorted(begun, key=lambda one: (len(one.job_id), one.job_id))),
        tuple((records[one.job_id], tag) for one, tag in in_order(waiting, turns)),
        turns,
        {name.decode(): states.get(name, b"").decode() for name in alive},
    )


class Dispatcher:
    """Runs while the bot leads. `ended` hears of trainings that end here: their kind, and how."""

    def __init__(self, client: redis.asyncio.Redis, queue: JobClient, ended: Callable[[str, str], None]) -> None:
        self._redis = client
        self._queue = queue
        self._ended = ended
        self._position: str | None = None
        self._since = self._seen = float("-inf")
        self._tasks = Tasks()

    def start(self) -> None:
        self._tasks.spawn(run_forever("dispatcher", self._step))

    async def stop(self) -> None:
        """What was sent goes on without this bot."""
        await self._tasks.end()

    async def _step(self) -> float:
        try:
            if self._position is None:
                self._position = await self._queue.listening_position()
            else:
                self._position, _ = await self._queue.listen(self._position)
            await self.look()
        except RedisError:
            self._position, self._seen = None, float("-inf")
            raise
        return _AT_MOST_EVERY_S

    async def look(self) -> None:
        """Requeue what lapsed, and send what can begin.

        Raises redis.RedisError or kombu.exceptions.OperationalError when Redis cannot be reached.
        """
        line = await read_line(self._redis)
        now = time.monotonic()
        if now - self._seen > _NO_BREAK_S:
            self._since = now
        self._seen = now
        if await self._sweep(line, all_had_time=now - self._since > lifecycle.LEASE_S):
            line = await read_line(self._redis)
        served, free = dict(line.served), line.free
        for record, start_tag in line.waiting:
            if free <= 0:
                return
            if record.state == "waiting":
                turn = served[record.owner.guild_id] = serve(served, record.owner.guild_id, start_tag)
                free -= await self._send(record, start_tag, turn)

    async def _sweep(self, line: Line, *, all_had_time: bool) -> bool:
        """Requeue what lapsed; whether anything did. `all_had_time`: to renew their leases since Redis was away."""
        found = False
        for record in line.records:
            if record.data is None:  # a month has passed, or Redis lost it
                log.warning("training_closed", job_id=record.job_id)
                await reply(self._redis.hdel(keys.ACTIVE, record.job_id))
            elif not record.leased and (record.state == "sent" or (record.state == "begun" and all_had_time)):
                answer = await self._run(lifecycle.requeue(record.job_id, record.attempt, record.nonce, "lapsed"))
                found = found or answer is not None
                if answer is not None:
                    log.warning("training_lapsed", job_id=record.job_id, attempt=record.attempt, state=record.state)
                if answer == b"cancelled":
                    self._ended("train", "cancelled")
        return found

    async def _send(self, record: Record, start_tag: int, turn: Served) -> bool:
        nonce = lifecycle.new_nonce()
        script = lifecycle.send_training(record.job_id, nonce, start_tag, record.owner.guild_id, str(turn))
        if (attempt := await self._run(script)) is None:
            return False  # it was cancelled a moment ago, or another bot has sent it
        number = int(attempt)
        try:
            await self._queue.send("train", record.job_id, number, nonce, _shadow(record))
        except OperationalError:
            with contextlib.suppress(RedisError):  # and else it lapses
                await self._run(lifecycle.requeue(record.job_id, number, nonce, "stopped"))
            raise
        return True

    async def _run(self, script: lifecycle.Script) -> Any:
        text, count, rest = script.call
        return await reply(self._redis.eval(text, count, *rest))


def _shadow(record: Record) -> str:
    try:
        return messages.shadow(job_from(record.job_id, record.data or b""))
    except NotUnderstood:  # its worker says so
        return "train"
