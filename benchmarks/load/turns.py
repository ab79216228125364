"""Record when each training entered the queue and began, and how far one server was ahead of another."""

import itertools
from dataclasses import dataclass
from typing import cast

import redis

from shared import keys


@dataclass(frozen=True)
class Step:
    """A training that enters the queue, begins, or leaves the queue in another way.

    Attributes:
        at: seconds since the epoch.
        job_id: the training.
        guild_id: its server.
        what: `enters`, `begins` or `leaves`.
    """

    at: float
    job_id: str
    guild_id: str
    what: str


class Turns:
    """Looks at the queue often enough that hardly more than one thing happens between two looks."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self._guilds: dict[str, str] = {}
        self._waiting: set[str] = set()

    def look(self, client: redis.Redis, at: float) -> None:
        """Record the changes since the last look. `at`: the time, in seconds since the epoch."""
        active = cast(dict[bytes, bytes], client.hgetall(keys.ACTIVE))
        with client.pipeline(transaction=True) as pipe:
            for name in active:
                pipe.hget(keys.job(name.decode()), "state")
            states = dict(zip(active, cast(list[bytes | None], pipe.execute()), strict=True))
        self._guilds |= {job.decode(): owner.decode().partition(":")[0] for job, owner in active.items()}
        waiting = {job.decode() for job, state in states.items() if state == b"waiting"}
        begun = {job.decode() for job, state in states.items() if state == b"begun"}
        entered = {step.job_id for step in self.steps if step.what == "enters"}
        for job_id in sorted(self._waiting - waiting):
            self._add(at, job_id, "begins" if job_id in begun else "leaves")
        for job_id in sorted((waiting | begun) - entered):
            self._add(at, job_id, "enters")
            if job_id in begun:  # it was never seen to wait: the queue was empty
                self._add(at, job_id, "begins")
        for job_id in sorted(waiting & entered - self._waiting):  # it waits again
            self._add(at, job_id, "enters")
        self._waiting = waiting

    def _add(self, at: float, job_id: str, what: str) -> None:
        self.steps.append(Step(at, job_id, self._guilds.get(job_id, ""), what))

    def begun(self) -> dict[str, list[float]]:
        """Return when each server's trainings began, in order."""
        times: dict[str, list[float]] = {}
        for step in self.steps:
            if step.what == "begins":
                times.setdefault(step.guild_id, []).append(step.at)
        return times


def largest_lead(steps: list[Step]) -> int:
    """Return how many more trainings any server had begun than another, counted while both were waiting."""
    waiting: dict[str, int] = {}
    leads: dict[tuple[str, str], int] = {}
    largest = 0
    for step in steps:
        waiting.setdefault(step.guild_id, 0)
        if step.what == "begins":
            for pair in leads:
                if step.guild_id in pair:
                    leads[pair] += 1 if step.guild_id == pair[0] else -1
                    largest = max(largest, abs(leads[pair]))
        waiting[step.guild_id] += 1 if step.what == "enters" else -1
        both = [
            pair for pair in itertools.combinations(sorted(waiting), 2) if all(waiting[guild] > 0 for guild in pair)
        ]
        leads = {pair: leads.get(pair, 0) for pair in both}
    return largest
