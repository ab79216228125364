"""How many texts people wait for at once, and a polite no before there are more than can be written in time."""

from __future__ import annotations

import math
import time
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager

from bot.words import duration
from shared.errors import UserError
from shared.settings import Settings

_BUSY = 8  # with so many waiting, it is the worker, not the people, that sets the pace of the answers
_ANSWERS = 64  # the pace is that of the last so many: they come in handfuls
_FIRST_PACE_S = 0.1  # from one answer to the next, until it is known better
_SHORTEST_WAIT_S = 5.0


class Admission:
    """Admission control: who may wait for a text.

    A request takes a slot before anything is done for it, and keeps it until it is answered: when all ask at once, what
    cannot be served is refused while that is cheap, and those who were let in are answered in time.
    """

    def __init__(self, settings: Settings) -> None:
        self._most = settings.generate_jobs
        self._most_of_one = settings.generate_jobs_per_server
        self._patience_s = settings.generate_timeout_s / 2
        self._here: Counter[int] = Counter()
        self._since: dict[object, float] = {}
        self._pace_s = _FIRST_PACE_S
        self._answered: deque[float] = deque(maxlen=_ANSWERS)

    @property
    def waiting(self) -> int:
        return self._here.total()

    @property
    def oldest_s(self) -> float:
        """How long the first of them has waited, in seconds. Safe from other threads."""
        for since in list(self._since.values())[:1]:
            return time.monotonic() - since
        return 0.0

    @contextmanager
    def slot(self, guild_id: int) -> Iterator[None]:
        """A slot while a server's request is being answered. Raises UserError if there is none: when to try again."""
        self._require_slot(guild_id)
        own = object()
        self._here[guild_id] += 1
        self._since[own] = time.monotonic()
        try:
            yield
        finally:
            del self._since[own]
            self._here[guild_id] -= 1
            if not self._here[guild_id]:
                del self._here[guild_id]

    def answered(self) -> None:
        """Count a text that somebody got, to know the pace."""
        if self.waiting <= _BUSY:
            self._answered.clear()
            return
        self._answered.append(time.monotonic())
        if len(self._answered) == _ANSWERS:
            self._pace_s = (self._answered[-1] - self._answered[0]) / (_ANSWERS - 1)

    def _require_slot(self, guild_id: int) -> None:
        """A server alone may take most slots; where several want them, each gets its share."""
        waiting, own = self.waiting, self._here[guild_id]
        servers = len(self._here.keys() | {guild_id})
        share = self._most // servers if waiting >= self._most // 2 else self._most
        if waiting >= self._most or waiting * self._pace_s > self._patience_s or self._is_behind():
            raise self._refusal("More people are asking for texts than I can serve", waiting)
        if own >= min(share, self._most_of_one):
            raise self._refusal("This server is asking for more texts than I can serve", own)

    def _is_behind(self) -> bool:
        """Whether somebody waits for too long already, whatever the pace of the last answers was."""
        oldest = next(iter(self._since.values()), math.inf)
        return self.waiting > _BUSY and time.monotonic() - oldest > self._patience_s

    def _refusal(self, why: str, waiting: int) -> UserError:
        wait = duration(max(_SHORTEST_WAIT_S, waiting * self._pace_s))
        return UserError(f"{why}: {waiting} are waited for.", f"Try again in {wait}.")
