"""Jobs in Redis as the bot leaves them, up to where a worker has them, and what is told of them."""

from typing import Any, TypeVar

import redis

from shared import keys, lifecycle
from shared.events import Event, Failed, parse_event
from shared.jobs import Job
from worker.events import JobEvents

T = TypeVar("T")


def run(client: redis.Redis, script: lifecycle.Script) -> Any:
    return client.eval(*script)


def enter(client: redis.Redis, job: Job, text: bytes = b"") -> None:
    """Enter a job; `text`: of a training, packed."""
    assert run(client, lifecycle.enter(job, "nonce", text)) == b"entered"


def send(client: redis.Redis, job_id: str) -> tuple[int, str]:
    """What the message of a job that waits has: the attempt and its nonce."""
    found: Any = client.hmget(keys.job(job_id), "attempt", "nonce")
    attempt, nonce = found
    assert attempt is not None
    return int(attempt), (nonce or b"").decode()


def message(client: redis.Redis, job_id: str) -> tuple[str, int, str]:
    """What the message of a job's next attempt has, whatever the job is now; of an unknown one it is made up."""
    found: Any = client.hmget(keys.job(job_id), "state", "attempt", "nonce")
    state, attempt, nonce = found
    if state is None:
        client.hset(keys.job(job_id), mapping={"state": "waiting", "attempt": "1", "nonce": "n"})
        client.hsetnx(keys.job(job_id), "job", "{}")
        return job_id, 1, "n"
    if state == b"begun":
        run(client, lifecycle.requeue(job_id, int(attempt), nonce.decode(), "died", lifecycle.new_nonce()))
    return job_id, *send(client, job_id)


def take(client: redis.Redis, job_id: str, worker: str = "w") -> JobEvents:
    """Begin the next attempt at a job."""
    log = JobEvents(client, job_id)
    _, attempt, nonce = message(client, job_id)
    assert log.begin(attempt, nonce, worker=worker, training=job_id.startswith("t-")) is not None
    return log


def end(client: redis.Redis, job_id: str, event: Event) -> None:
    """End a job with an event, whoever has it."""
    run(client, lifecycle.give_up(job_id, event.model_dump_json()))


def told(client: redis.Redis, job_id: str) -> list[Event]:
    """All that was told of a job."""
    found: Any = client.xrange(keys.job_events(job_id))
    return [parse_event(fields[b"event"]) for _, fields in found]


def told_of(kind: type[T], client: redis.Redis, job_id: str) -> list[T]:
    """The events of one kind among them."""
    return [event for event in told(client, job_id) if isinstance(event, kind)]


def newest(client: redis.Redis, job_id: str) -> Event:
    """What was told last; nothing before is looked at."""
    found: Any = client.xrevrange(keys.job_events(job_id), count=1)
    ((_, fields),) = found
    return parse_event(fields[b"event"])


def expect(kind: type[T], event: object) -> T:
    """The event, which must be of this kind."""
    assert isinstance(event, kind), event
    return event


def require_failure(event: object, words: str) -> Failed:
    """See that an event tells of a failure in these words, and what to do."""
    failed = expect(Failed, event)
    assert words in failed.problem
    assert failed.remedy
    return failed
