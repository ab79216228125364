"""Who asks for what, and when: the random law of a simulation."""

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Law:
    """How much servers ask for in a peak hour.

    Attributes:
        servers: how many there are. Some ask for much more than others (log-normal).
        members: who may ask, in each server.
        trainings, texts: of one server in a day, on average.
        peak: how many times the day's average the peak hour has.
        bursts: moments of an hour at which many servers ask for a training within a minute.
        burst_share: share of the servers that do.
    """

    servers: int
    members: int = 20
    trainings: float = 2.0
    texts: float = 200.0
    peak: float = 3.0
    bursts: int = 2
    burst_share: float = 0.03


@dataclass(frozen=True)
class Ask:
    """A request. `at`: seconds after the beginning."""

    at: float
    what: Literal["train", "generate"]
    server: int
    member: int


def requests(law: Law, seconds: float, seed: int) -> list[Ask]:
    """Return the requests of so many seconds of a peak hour, in the order of their times."""
    random_ = random.Random(seed)
    weights = [random_.lognormvariate(0, 1) for _ in range(law.servers)]
    asks = []
    for what, a_day in (("train", law.trainings), ("generate", law.texts)):
        rate = law.servers * a_day * law.peak / 86_400
        times = list(_poisson(random_, rate, seconds))
        for at, server in zip(times, random_.choices(range(law.servers), weights, k=len(times)), strict=True):
            asks.append(Ask(at, what, server, random_.randrange(law.members)))  # type: ignore[arg-type]
    for _ in range(math.ceil(law.bursts * seconds / 3_600)):
        begun = random_.uniform(0, max(0.0, seconds - 60))
        for server in random_.sample(range(law.servers), math.ceil(law.burst_share * law.servers)):
            asks.append(Ask(begun + random_.uniform(0, 60), "train", server, random_.randrange(law.members)))
    return sorted(asks, key=lambda ask: ask.at)


def _poisson(random_: random.Random, rate: float, seconds: float) -> Iterator[float]:
    at = 0.0
    while rate and (at := at + random_.expovariate(rate)) < seconds:
        yield at
