"""The worker's side of one job in Redis: its events, and what it is asked."""

import functools
import secrets
import time
from collections.abc import Callable
from typing import Any, Literal, TypeVar, cast

import redis
import structlog

from galvanic.options import STARTS
from galvanic.results import TrainingCancelled
from shared import keys, lifecycle
from shared.connect import patient
from shared.events import TERMINAL, Event, Finished, Imported
from shared.lifecycle import Script
from shared.models import ModelFacts

log = structlog.get_logger()
M = TypeVar("M", Finished, Imported)
Control = Literal["cancel", "finish"]

REDIS_DOWN = (redis.ConnectionError, redis.TimeoutError)
"""redis-py's errors while the server cannot be reached, does not answer, or takes nothing."""
_DURABLE_WITHIN_MS = 3_000
_DURABLE_TRIES = 10
_FSYNC_EVERY_S = 2.0  # what `appendfsync everysec` may take (Redis' documentation, "Redis persistence")


def run_script(client: redis.Redis, script: Script) -> Any:
    """Run a script. Raises redis.RedisError: Redis cannot be reached, or takes nothing (`TakesNothing`)."""
    return client.eval(*script)


class Superseded(Exception):
    """Another attempt at the same job has begun, or is to: this one must stop without a word."""


class JobEvents:
    """The events and attempts of one job, and what people ask of it.

    What needs Redis is tried for ten minutes, unless it says otherwise, and then raises redis.RedisError.
    """

    def __init__(self, client: redis.Redis, job_id: str, attempt: int = 0, nonce: str = "") -> None:
        self._client = client
        self._retry = patient()
        self.job_id = job_id
        self.attempt = attempt
        self.nonce = nonce
        self.holder = secrets.token_hex(8)  # name of this process: another one may believe to have the same attempt
        self._seq = 0
        self._tried: Event | None = None
        self._reachable = True
        self.ended: Event | None = None

    @property
    def outcome(self) -> str:
        """Return `finished`, `failed`, `cancelled`, or `superseded`: another attempt has the job, or had it ended."""
        if self.ended is None:
            return "superseded"
        return self.ended.kind if self.ended.kind in ("failed", "cancelled") else "finished"

    def begin(self, attempt: int, nonce: str, *, worker: str, training: bool = False) -> bytes | None:
        """Begin an attempt, which outranks all earlier ones.

        `worker`: its name in `presence`; `training`: it has a lease, which must be renewed. Returns the job (JSON);
        None: the message is out of date.
        """
        script = lifecycle.begin(self.job_id, attempt, nonce, holder=self.holder, worker=worker, training=training)
        job = cast(bytes | None, self._insist(lambda: run_script(self._client, script)))
        self.attempt, self.nonce, self._seq = attempt, nonce, lifecycle.FIRST_SEQ - 1
        return job

    def requeue(self, how: Literal["stopped", "died"], next_nonce: str) -> bytes | None:
        """Requeue the job, because its worker stops or its process died. Answers as `lifecycle.requeue`."""
        script = lifecycle.requeue(self.job_id, self.attempt, self.nonce, how, next_nonce)
        return cast(bytes | None, self._insist(lambda: run_script(self._client, script)))

    def deaths(self) -> int:
        """Return how many earlier attempts in a row ended in trouble, or without a word (the worker was killed)."""
        value = cast(bytes | None, self._client.hget(keys.job(self.job_id), "deaths"))
        return int(value or 1) - 1

    def forget_deaths(self) -> None:
        """Begin a new row of attempts that end in trouble. Raises redis.RedisError at once."""
        run_script(self._client, lifecycle.forget_deaths(self.job_id, self.attempt, self.nonce))

    def durable(self) -> None:
        """Wait until what was told would survive a power cut: for what is deleted because Redis has it now.

        A Redis that keeps no log, or whose disk does not keep up for so long, is only waited for.
        """
        for _ in range(_DURABLE_TRIES):
            if self._insist(self._synced):
                return
        log.warning("not_known_to_be_durable", job_id=self.job_id)

    def _synced(self) -> bool:
        try:
            with self._client.pipeline(transaction=False) as pipe:
                # WAITAOF waits for what its own connection has written last, and so for all that came before.
                pipe.expire(keys.job(self.job_id), keys.JOB_TTL_S)
                pipe.waitaof(1, 0, _DURABLE_WITHIN_MS)
                return bool(pipe.execute()[1][0])
        except redis.ResponseError as error:
            # It keeps no log.
            log.info("not_known_to_be_durable", job_id=self.job_id, error=str(error))
            time.sleep(_FSYNC_EVERY_S)
            return True

    def model_id(self) -> str:
        """Return the id of the job's model, which the bot chose. Raises Superseded: the job's record is gone."""
        model_id = cast(bytes | None, self._insist(lambda: self._client.hget(keys.job(self.job_id), "model_id")))
        if model_id is None:
            raise Superseded(self.job_id)
        return model_id.decode()

    def is_over(self) -> bool:
        return bool(self._insist(lambda: self._client.hget(keys.job(self.job_id), "state")) == b"over")

    def publish(self, event: Event) -> None:
        """Append `event` to the job's stream and notify. Raises Superseded if a later attempt has spoken."""
        self._insist(lambda: self.tell_once(event))

    def tell_once(self, event: Event) -> None:
        """Publish an event with one try; told again after an error, the same event is the same entry."""
        self._seq += event is not self._tried
        self._tried = event
        last, progress = event.kind in TERMINAL, event.kind == "progress"
        data = event.model_dump_json()
        self._unless_superseded(event, lifecycle.tell(self.job_id, self._entry, data, last=last, progress=progress))
        if last:
            self.ended = event

    @property
    def _entry(self) -> str:
        """The present event's id in the stream."""
        return f"{self.attempt}-{self._seq}"

    def _unless_superseded(self, event: Event, script: Script) -> Any:
        """Run a script that tells `event`; None if it got through in an earlier try whose answer was lost."""
        answer = None
        try:
            answer = run_script(self._client, script)
        except redis.ResponseError as error:
            if "equal or smaller" not in str(error):
                raise
            if not self._stands(event):
                raise Superseded(self.job_id) from error
        self._reachable = True
        return answer

    def _stands(self, event: Event) -> bool:
        """Return whether this very event got through in a try whose answer was lost."""
        entries = cast(
            list[tuple[bytes, dict[bytes, bytes]]],
            self._client.xrange(keys.job_events(self.job_id), self._entry, self._entry),
        )
        return bool(entries) and entries[0][1][b"event"].decode() == event.model_dump_json()

    def attach(self, name: str, data: bytes, ttl_s: int = keys.JOB_TTL_S) -> None:
        """Lay a file of the result beside the events."""
        self._insist(lambda: self._client.set(keys.artifact(self.job_id, name), data, ex=ttl_s))

    def require_newest(self) -> None:
        """Check that the job is this attempt's.

        Raises Superseded: another one has begun, or the job is over or unknown.
        """
        fields = cast(
            list[bytes | None], self._insist(lambda: self._client.hmget(keys.job(self.job_id), "attempt", "state"))
        )
        if int(fields[0] or 0) > self.attempt or fields[1] in (None, b"over"):
            raise Superseded(self.job_id)

    def enter(self, event: M, guild_id: int, *, prepare: Callable[[ModelFacts], None] = lambda _: None) -> M:
        """Enter a model into a server's registry and send that as the job's end: both, or neither.

        So what a job's end says is true of the registry: a job that was cancelled or superseded leaves no model
        there. `event`: its model's name is the wished one; in the event returned it has a number if another model has
        that name. `prepare` gets the facts under their final name.

        Raises Superseded if a later attempt has spoken, or the job is over or unknown; TrainingCancelled if it
        was asked to end.
        """
        self._seq += 1
        while True:
            model = self._insist(lambda: under_a_free_name(self._client, event.model, guild_id))
            prepare(model)
            named = event.model_copy(update={"model": model})
            if self._insist(functools.partial(self._enter, named, guild_id)):
                return named

    def _enter(self, event: M, guild_id: int) -> bool:
        """Enter a model; return False if the name was taken meanwhile."""
        script = lifecycle.register(self.job_id, self._entry, event, guild_id)
        answer = self._unless_superseded(event, script)
        if answer == b"refused" and not self._stands(event):
            raise Superseded(self.job_id)
        if answer == b"cancelled":
            raise TrainingCancelled
        if answer == b"taken":
            return False
        self.ended = event
        return True

    def control(self) -> Control | None:
        """Return what a person asked of the job; None: nothing. Raises redis.RedisError at once."""
        asked: dict[object, Control] = {b"cancel": "cancel", b"finish": "finish"}
        return asked.get(self._client.get(keys.job_control(self.job_id)))

    def _insist(self, call: Any) -> Any:
        return self._retry.call_with_retry(call, self._waiting_for_redis)

    def _waiting_for_redis(self, error: Exception) -> None:
        if self._reachable:
            log.warning("waiting_for_redis", job_id=self.job_id, error=type(error).__name__)
        self._reachable = False


def under_a_free_name(client: redis.Redis, model: ModelFacts, guild_id: int) -> ModelFacts:
    """Return a model under its wished name, with a number when another model has that, or none may."""
    key, free = keys.guild_models(guild_id), {None, model.model_id.encode()}
    named, number = model, 1
    while named.name in STARTS or not free.issuperset(cast(list[bytes | None], client.hmget(key, named.names_taken))):
        number += 1
        named = model.model_copy(update={"name": f"{model.name}-{number}"})
    return named
