"""The requests of a load: person, server, kind and time. The same random seed gives the same load."""

import random
from collections import deque
from dataclasses import dataclass
from typing import Literal

How = Literal["train", "message", "slash", "button"]
PEOPLE = ("ada", "ben", "cleo", "dora")
_HOW: dict[How, int] = {"message": 4, "slash": 3, "button": 3}
"""The ways to ask for a text, by weight."""
_IMPATIENT = 0.03
"""Share of the texts that a person asks for right after another one, within their cooldown."""
_AT_ONCE_S = 0.5


@dataclass(frozen=True)
class Ask:
    """A request to be made.

    Attributes:
        at: seconds after the beginning.
        server: number of the server.
        person: who asks.
        how: a training, or a text by a message, a slash command or a button under another text.
    """

    at: float
    server: int
    person: str
    how: How


def plan_requests(seed: int, seconds: float, servers: int, trainings: int, texts: int) -> list[Ask]:
    """Return the requests of a load, in the order of their times, which are uniform.

    Servers get the same number of trainings. All people ask for texts in turn, so that few have to wait for their
    cooldown, except some who are impatient.
    """
    random_ = random.Random(seed)
    order = [number % servers for number in range(trainings)]
    random_.shuffle(order)
    asks = [Ask(random_.uniform(0, seconds), server, random_.choice(PEOPLE), "train") for server in order]
    pairs = [(server, person) for server in range(servers) for person in PEOPLE]
    random_.shuffle(pairs)
    turns = deque(pairs)
    before: Ask | None = None
    for at in sorted(random_.uniform(0, seconds) for _ in range(texts)):
        (how,) = random_.choices(list(_HOW), list(_HOW.values()))
        if before is not None and random_.random() < _IMPATIENT:
            asks.append(Ask(before.at + random_.uniform(0, _AT_ONCE_S), before.server, before.person, how))
            continue
        turns.rotate(-1)
        before = Ask(at, *turns[0], how)
        asks.append(before)
    return sorted(asks, key=lambda ask: ask.at)
