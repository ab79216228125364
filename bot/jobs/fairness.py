"""Predicts how long a training takes from earlier ones, and when waiting ones begin. Pure functions."""

from __future__ import annotations

import heapq
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from shared.history import Past
from shared.jobs import TrainOptions

RECENT = 9
"""Only this many of the newest trainings count, because machines and habits change."""


@dataclass(frozen=True)
class Estimate:
    """A span of time that is expected.

    Attributes:
        seconds: how long.
        sure: from a measured pace; otherwise only what a time limit allows.
    """

    seconds: float
    sure: bool


def estimate(options: TrainOptions, chars: int, past: Sequence[Past]) -> Estimate | None:
    """How long a training learns, never more than its time limit; None: nobody can say before it has begun.

    Only its limit is known of one that goes on until its time is up: it may stop early. One that reads the text a
    number of times takes, for each character and epoch, what the last nine like it took in the median: of the same
    recipe and, if there are such, of the same number of LSTM units, and not finished early by a person.

    Args:
        options: what was chosen.
        chars: length of the text.
        past: earlier trainings, newest first.
    """
    limit_s = 60 * options.minutes if options.minutes is not None else math.inf
    if not options.by_epochs:
        return Estimate(limit_s, sure=False) if limit_s < math.inf else None
    like = [
        one
        for one in past
        if one.recipe == options.recipe
        and not one.cut_short
        and (one.asked_epochs is not None or one.recipe == "classic")
    ]
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

    Args:
        running: what is left of those that run.
        waiting: how long those that wait take, in the order of their turns.
        workers: how many there are.
        beside_s: what each takes beside learning.
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
