"""Limits how many trainings a server, and each of its members, may have at once."""

from collections.abc import Sequence
from typing import Literal

Limit = Literal["user", "guild"]


def refused(owners: Sequence[int], user_id: int, limits: tuple[int, int]) -> Limit | None:
    """Return the limit that one more training of a member would exceed, or None.

    `owners`: of the server's trainings that are not over. `limits`: how many may be active at once, of this member, and
    of all members together.
    """
    if owners.count(user_id) >= limits[0]:
        return "user"
    return "guild" if len(owners) >= limits[1] else None
