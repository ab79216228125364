"""Whose training is next, who may have how many, and when each will be done. Pure functions.

Servers take turns by start-time fair queueing (Goyal, Vin & Cheng 1996), all trainings counted as equally long: a
server's next training gets the start tag after that of its last one, but never one before the virtual time at which it
was entered. So having been idle is no credit, and of two servers that both wait neither gets two more than the other.
See docs/decisions/040-fair-turns.md.
"""

from __future__ import annotations

import heapq
import itertools
import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeVar

from bot.words import Estimate as Estimate
from galvanic.options import TrainOptions
from shared.history import Past

Limit = Literal["user", "guild"]
RECENT = 9  # only so many of the newest trainings count: machines and habits change


class Served(NamedTuple):
    """The training of a server that was sent last: its start tag, and how many had been sent by then, it included."""

    start_tag: int
    order: int

    def __str__(self) -> str:
        """As `keys.SERVED` has it."""
        return f"{self.start_tag}:{self.order}"


@dataclass(frozen=True)
class Waiting:
    job_id: str
    guild_id: int
    arrived: int = 0  # the virtual time when it was entered
    start_tag: int | None = None  # which it had when it was sent before; None: it was not


W = TypeVar("W", bound=Waiting)


class Owner(NamedTuple):
    guild_id: int
    user_id: int


def served_from(entries: Mapping[bytes, bytes]) -> dict[int, Served]:
    """Servers' turns as `keys.SERVED` has them."""
    return {int(guild_id): Served(*map(int, value.split(b":"))) for guild_id, value in entries.items()}


def virtual_time(served: Mapping[int, Served]) -> int:
    """The start tag of the training that was sent last."""
    return max((one.start_tag for one in served.values()), default=0)


def serve(served: Mapping[int, Served], guild_id: int, start_tag: int) -> Served:
    """The turn of a server whose training is sent now."""
    order = 1 + max((one.order for one in served.values()), default=0)
    before = served.get(guild_id)
    return Served(max(start_tag, before.start_tag) if before is not None else start_tag, order)


def in_order(waiting: Iterable[W], served: Mapping[int, Served]) -> list[tuple[W, int]]:
    """Trainings in the order in which they are sent, each with its start tag.

    Those that were sent before come first, with the tag that they had. Of equal tags the server comes first that was
    served longest ago: so each round has the order of the last one. Of a waiting one only its arrival is kept, so when
    another is cancelled, those of its server move up.
    """
    resumed, fresh = [], []
    last = {guild_id: one.start_tag for guild_id, one in served.items()}
    for one in sorted(waiting, key=lambda one: (one.arrived, len(one.job_id), one.job_id)):
        if one.start_tag is not None:
            resumed.append((one, one.start_tag))
            continue
        start_tag = max(one.arrived, last.get(one.guild_id, -1) + 1)
        last[one.guild_id] = start_tag
        fresh.append((one, start_tag))
    found = sorted(resumed, key=lambda pair: pair[1])
    now = dict(served)
    for _, round_ in itertools.groupby(sorted(fresh, key=lambda pair: pair[1]), key=lambda pair: pair[1]):
        order = {guild_id: one.order for guild_id, one in now.items()}
        for one, start_tag in sorted(round_, key=lambda pair: order.get(pair[0].guild_id, 0)):
            now[one.guild_id] = serve(now, one.guild_id, start_tag)
            found.append((one, start_tag))
    return found


def refused(active: Iterable[Owner], who: Owner, limits: tuple[int, int]) -> Limit | None:
    """Whose limit one more training would break; None: it may come.

    `limits`: how many may be active at once: of this person in this server, and of all its members together.
    """
    own = [one for one in active if one.guild_id == who.guild_id]
    if own.count(who) >= limits[0]:
        return "user"
    return "guild" if len(own) >= limits[1] else None


def estimate(options: TrainOptions, chars: int, past: Sequence[Past]) -> Estimate | None:
    """How long a training learns, never more than its time limit; None: nobody can say before it has begun.

    Of one that goes on until its time is up only the limit is known: it may stop early. One that reads the text a
    number of times takes, for each character and epoch, the median of the last nine like it: of the same recipe and, if
    there are such, the same number of LSTM units, and not finished early by a person. `past`: newest first.
    """
    limit_s = 60 * options.minutes if options.minutes is not None else math.inf
    if not options.by_epochs:
        return Estimate(limit_s, sure=False) if limit_s < math.inf else None
    whole = (one for one in past if one.recipe == options.recipe and not one.cut_short)
    like = [one for one in whole if one.asked_epochs is not None or one.recipe == "classic"]
    like = ([one for one in like if one.units == options.units] or like)[:RECENT]
    if not like:
        return None
    epochs = options.epochs or statistics.median(one.epochs for one in like)
    rate = statistics.median(one.used_s / max(1, one.chars * one.epochs) for one in like)
    return Estimate(min(rate * chars * epochs, limit_s), sure=True)


def beside(past: Sequence[Past]) -> float:
    """Seconds that a worker spends on a training beside learning: reading the text, writing samples, saving."""
    known = [one.beside_s for one in past if one.beside_s is not None][:RECENT]
    return statistics.median(known) if known else 0.0


def schedule(
    running: Sequence[Estimate | None], waiting: Sequence[Estimate | None], workers: int, beside_s: float = 0.0
) -> list[tuple[Estimate | None, Estimate | None]]:
    """When trainings that wait begin and end, each at the first worker that is free; None: nobody can say.

    `running`: what is left of those that run; `waiting`: how long the others take, in their order; `beside_s`: what
    each takes beside learning.
    """
    free = [(_until(one) + beside_s, number, one is not None and one.sure) for number, one in enumerate(running)]
    free += [(0.0, len(free) + number, True) for number in range(max(workers, 1) - len(running))]
    heapq.heapify(free)
    times = []
    for one in waiting:
        begins_s, number, sure = heapq.heappop(free)
        ends_s, ends_sure = begins_s + _until(one), sure and one is not None and one.sure
        times.append((_known(begins_s, sure), _known(ends_s, ends_sure)))
        heapq.heappush(free, (ends_s + beside_s, number, ends_sure))
    return times


def _until(one: Estimate | None) -> float:
    return math.inf if one is None else one.seconds


def _known(seconds: float, sure: bool) -> Estimate | None:
    return Estimate(seconds, sure) if seconds < math.inf else None
