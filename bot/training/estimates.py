"""Predicts how long a training takes from earlier ones, and when waiting ones begin. Pure functions."""

from __future__ import annotations

import heapq
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
        sure: predicted from earlier trainings; otherwise only the time limit.
    """

    seconds: float
    sure: bool


def estimate(options: TrainOptions, chars: int, past: Sequence[Past]) -> Estimate:
    """How long a training takes from its first second to its finished model.

    The rule: the median of the last nine like it, of the same recipe and, if there are such, of the same number of
    LSTM units. Of those that have a time limit alone, the share of their limit that they used; of those that read the
    text a number of times, the seconds for each character and epoch. To this comes the median of what they spent beside
    learning. What a person finished early says nothing. Before there are any, the time limit.

    Args:
        options: what was chosen.
        chars: length of the text.
        past: earlier trainings, newest first.
    """
    limit_s = 60 * options.minutes if options.minutes is not None else None
    by_epochs = options.epochs is not None or options.recipe == "classic"
    like = [
        one
        for one in past
        if one.recipe == options.recipe
        and not one.cut_short
        and (one.asked_epochs is not None or one.recipe == "classic") == by_epochs
        and (by_epochs or one.allowed_s)
    ]
    like = ([one for one in like if one.units == options.units] or like)[:RECENT]
    if not like or (limit_s is None and not by_epochs):
        return Estimate(limit_s or 0.0, sure=False)
    if by_epochs:
        epochs = options.epochs or statistics.median(one.epochs for one in like)
        rate = statistics.median(one.used_s / max(1, one.chars * one.epochs) for one in like)
        learning = rate * chars * epochs
        learning = learning if limit_s is None else min(learning, limit_s)
    else:
        assert limit_s is not None
        learning = limit_s * statistics.median(one.used_s / one.allowed_s for one in like if one.allowed_s)
    beside = [one.beside_s for one in like if one.beside_s is not None]
    return Estimate(learning + (statistics.median(beside) if beside else 0.0), sure=True)


def left(whole: Estimate, elapsed_s: float) -> Estimate:
    """What is left of a training that has reported no progress yet."""
    return Estimate(max(0.0, whole.seconds - elapsed_s), whole.sure)


def schedule(running: Sequence[Estimate], waiting: Sequence[Estimate], workers: int) -> list[tuple[Estimate, Estimate]]:
    """When trainings that wait begin and end, each at the first worker that is free.

    Args:
        running: what is left of those that run.
        waiting: how long those that wait take, in the order of their turns.
        workers: how many there are.
    """
    free = [(one.seconds, number, one.sure) for number, one in enumerate(running)]
    free += [(0.0, len(free) + number, True) for number in range(max(workers, 1) - len(running))]
    heapq.heapify(free)
    times = []
    for one in waiting:
        begins_s, number, sure = heapq.heappop(free)
        ends = Estimate(begins_s + one.seconds, sure and one.sure)
        times.append((Estimate(begins_s, sure), ends))
        heapq.heappush(free, (ends.seconds, number, ends.sure))
    return times
