"""Limits how many trainings a server, and each of its members, may have at once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, NamedTuple

from shared.jobs import TrainJob

Limit = Literal["user", "guild"]


class Owner(NamedTuple):
    guild_id: int
    user_id: int

    @classmethod
    def of(cls, job: TrainJob) -> Owner:
        return cls(job.place.guild_id, job.place.user_id)


def refused(active: Iterable[Owner], owner: Owner, limits: tuple[int, int]) -> Limit | None:
    """Return the limit that one more training would exceed, or None.

    `active`: the owners of the trainings that are not over. `limits`: how many may be active at once, of this member in
    this server, and of all its members together.
    """
    own = [other for other in active if other.guild_id == owner.guild_id]
    if own.count(owner) >= limits[0]:
        return "user"
    return "guild" if len(own) >= limits[1] else None
