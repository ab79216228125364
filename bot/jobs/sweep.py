"""Find the jobs that lost their worker or their message. A pure function of what is seen.

A job that was begun needs a worker that is there, and a training a lease as well. A job that waits needs its message in
a queue. What is missing must be missing for a while: a worker may just be starting, a message on its way. While Redis
does not answer nobody can say that they are there, so time counts only while it does.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from shared import keys
from shared.lifecycle import LEASE_S
from shared.queues import message_id

BREAK_S = 10.0
"""Longer between two looks: this process or Redis stood still, and all that is missing gets its time anew."""
GONE_S = 14.0  # a worker that is not `presence.alive` for so long besides was killed
RENEWED_S = 20.0
"""A training whose lease was renewed so lately has its worker, even if that seems to be gone: hosts' clocks differ.
A killed worker's lease is older once it has been gone for `GONE_S`."""
LAPSED_S = 30.0
"""A training that has no lease for so long has lost its worker. A lease also lapses while its machine sleeps, and then
its worker renews it within 25 s: at its next step (`worker.threads.RENEW_S`), or at the one after a dead connection."""
LOST_S = 90.0
"""A training whose message is in no queue for so long has lost it. Celery puts back one that a killed worker had taken
and not acknowledged after `LEASE_S` and up to 10 s more."""
LOST_TEXT_S = 8.0  # the same of a job that somebody waits for: a generate worker begins what it takes at once
MOST_ATTEMPTS = 3
"""A job that somebody waits for is tried so often. A training is given up by its worker (`worker.jobs.MAX_DEATHS`)."""

LostReason = Literal["gone", "died", "lapsed", "lost"]
"""`gone`: a training without a record; the others as in `lifecycle.requeue`."""


@dataclass(frozen=True)
class SeenJob:
    """A job that may not be over. `state` empty: its record is gone. `worker`: the one that has begun it.

    `lease_s`: for how long it still has a lease, 0: it has none.
    """

    job_id: str
    training: bool
    state: str
    attempt: int
    nonce: str
    worker: str
    lease_s: float

    @property
    def needs(self) -> str:
        """Return the message, or the worker, without which the job is lost; empty: none."""
        return message_id(self.job_id, self.attempt) if self.state == "waiting" else self.worker

    @property
    def lease(self) -> str:
        return keys.job_lease(self.job_id)

    @property
    def renewed(self) -> bool:
        return self.lease_s > LEASE_S - RENEWED_S


@dataclass(frozen=True)
class Memory:
    """The result of earlier looks, in seconds of the same clock.

    `missing_since`: when a worker, a message or a lease was first missed, by its name or id.
    """

    looked_at: float = float("-inf")
    missing_since: Mapping[str, float] = field(default_factory=dict)


def sweep(
    at: float, jobs: Iterable[SeenJob], present: Collection[str], memory: Memory
) -> tuple[list[tuple[SeenJob, LostReason]], Memory]:
    """Return the jobs that are lost now, each with the reason, and the memory for the next look.

    `at`: seconds, of a clock that only goes forward. `present`: names of the workers that are there, and ids of the
    messages that wait.
    """
    before = memory.missing_since if at - memory.looked_at <= BREAK_S else {}
    missing, losses = dict[str, float](), list[tuple[SeenJob, LostReason]]()
    for job in jobs:
        if job.needs and job.needs not in present:
            missing[job.needs] = before.get(job.needs, at)
        if job.training and job.state == "begun" and not job.lease_s:
            missing[job.lease] = before.get(job.lease, at)
        reason = _lost(job, at - missing.get(job.needs, at), at - missing.get(job.lease, at))
        if reason is not None:
            losses.append((job, reason))
    return losses, Memory(at, missing)


def _lost(job: SeenJob, missing_s: float, unleased_s: float) -> LostReason | None:
    """Return why a job counts as lost, or None: it does not.

    `missing_s`: how long its worker or message has been missing. `unleased_s`: how long its lease has been missing.
    """
    if job.state in ("", "over"):
        return "gone" if job.training else None
    if not job.training and job.attempt >= MOST_ATTEMPTS:
        return None
    if job.state == "waiting" and missing_s >= (LOST_S if job.training else LOST_TEXT_S):
        return "lost"
    if unleased_s >= LAPSED_S:
        return "lapsed"
    return "died" if job.state == "begun" and missing_s >= GONE_S and not job.renewed else None
