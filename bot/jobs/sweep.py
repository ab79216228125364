"""Find the jobs that lost their worker or their message. A pure function of what is seen.

A job that was begun needs a worker that is there, and a training a lease as well. A job that waits needs its message in
a queue. What is missing must be missing for a while: a worker may just be starting, a message on its way. While Redis
does not answer nobody can say that they are there, so time counts only while it does.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from shared.lifecycle import LEASE_S
from shared.queues import message_id

BREAK_S = 10.0
"""Longer between two looks: this process or Redis stood still, and all that is missing gets its time anew."""
GONE_S = 14.0
"""A worker that is not `presence.alive` for so long besides was killed."""
LOST_S = 90.0
"""A training whose message is in no queue for so long has lost it. Celery puts back one that a killed worker had taken
and not acknowledged after `LEASE_S` and up to 10 s more."""
LOST_TEXT_S = 8.0
"""The same of a job that somebody waits for. A generate worker begins what it takes at once."""
MOST_ATTEMPTS = 3
"""A job that somebody waits for is tried so often. A training is given up by its worker (`worker.jobs.MAX_DEATHS`)."""

How = Literal["gone", "died", "lapsed", "lost"]


@dataclass(frozen=True)
class SeenJob:
    """A job that is not over. `state` empty: its record is gone. `worker`: the one that has begun it."""

    job_id: str
    training: bool
    state: str
    attempt: int
    nonce: str
    worker: str
    leased: bool


@dataclass(frozen=True)
class Seen:
    """The state of Redis at one look.

    `at`: seconds, of a clock that only goes forward. `workers`: names of those that are there, of all queues. `queued`:
    ids of the messages that wait.
    """

    at: float
    jobs: tuple[SeenJob, ...]
    workers: frozenset[str]
    queued: frozenset[str]


@dataclass(frozen=True)
class Memory:
    """The result of earlier looks, in seconds of the same clock.

    `answering_since`: when Redis last began to answer without a break. `missing_since`: when a worker or a message was
    first missed, by its name or id.
    """

    looked_at: float = float("-inf")
    answering_since: float = float("-inf")
    missing_since: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Loss:
    """A job that is lost. `how`: `gone`: it is a training without a record; else as in `lifecycle.requeue`."""

    job: SeenJob
    how: How


def sweep(seen: Seen, memory: Memory) -> tuple[list[Loss], Memory]:
    """Return what is lost now, and what to remember for the next look."""
    unbroken = seen.at - memory.looked_at <= BREAK_S
    since = memory.answering_since if unbroken else seen.at
    before = memory.missing_since if unbroken else {}
    missing = {name: before.get(name, seen.at) for name in _missing(seen)}
    losses = (_loss(job, seen.at, since, missing) for job in seen.jobs)
    return [loss for loss in losses if loss is not None], Memory(seen.at, since, missing)


def _missing(seen: Seen) -> Iterable[str]:
    """Return the workers and messages that jobs need and that are not there."""
    for job in seen.jobs:
        if job.state == "begun" and job.worker and job.worker not in seen.workers:
            yield job.worker
        elif job.state == "waiting" and (task_id := message_id(job.job_id, job.attempt)) not in seen.queued:
            yield task_id


def _loss(job: SeenJob, at: float, since: float, missing: Mapping[str, float]) -> Loss | None:
    if not job.state:
        return Loss(job, "gone") if job.training else None
    if not job.training and job.attempt >= MOST_ATTEMPTS:
        return None
    lost_s = LOST_S if job.training else LOST_TEXT_S
    if job.state == "waiting" and at - missing.get(message_id(job.job_id, job.attempt), at) >= lost_s:
        return Loss(job, "lost")
    if job.state == "begun" and job.training and not job.leased and at - since > LEASE_S:
        return Loss(job, "lapsed")
    if job.state == "begun" and at - missing.get(job.worker, at) >= GONE_S:
        return Loss(job, "died")
    return None
