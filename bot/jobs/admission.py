"""Limits how many texts people wait for at once: more than can be written in time are refused."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from galvanic.errors import UserError
from galvanic.units import count, duration
from shared.settings import Settings

_BUSY = 8  # with so many waiting, it is the worker, not the people, that sets the pace of the answers
_ANSWERS = 64  # the pace is that of the last so many: they come in handfuls
_FIRST_PACE_S = 0.1  # from one answer to the next, until it is known better
_GOOD_FOR_S = 300.0  # a pace that was measured longer ago says nothing: it may have been a slow moment
_SHORTEST_WAIT_S = 5.0
_SHARE_OF_ONE = 0.8  # of all slots: a server that floods leaves room for others


class Admission:
    """Admission control for texts.

    A request takes a slot before anything is done for it, and keeps it until it is answered. So when everybody asks at
    once, what cannot be served is refused while that is cheap, and the others are answered in time. The pace is that of
    writing, not of posting: Discord makes posts to one channel wait for each other.
    """

    def __init__(self, settings: Settings) -> None:
        self._most = settings.generate_jobs
        self._most_of_one = max(1, int(_SHARE_OF_ONE * self._most))
        self._patience_s = settings.generate_timeout_s / 2
        self._places: dict[object, int] = {}  # servers
        self._unwritten: dict[object, float] = {}  # since when they wait; the oldest first
        self._own: ContextVar[object] = ContextVar("slot", default=None)
        self._pace_s, self._measured = _FIRST_PACE_S, float("-inf")
        self._answered: deque[float] = deque(maxlen=_ANSWERS)

    @property
    def waiting(self) -> int:
        return len(self._places)

    @property
    def oldest_s(self) -> float:
        """Return how many seconds the oldest request has waited for its text. Safe from other threads."""
        first = next(iter(list(self._unwritten.values())), None)
        return time.monotonic() - first if first is not None else 0.0

    @contextmanager
    def queue_slot(self, guild_id: int) -> Iterator[None]:
        """Hold a slot while a server's request is answered. Raises UserError: none is free now."""
        self._require_slot(guild_id)
        own = object()
        self._places[own], self._unwritten[own] = guild_id, time.monotonic()
        before = self._own.get()
        self._own.set(own)
        try:
            yield
        finally:
            self._own.set(before)
            self._unwritten.pop(own, None)
            del self._places[own]

    def written(self, failed: bool = False) -> None:
        """Note that the text of this task's slot is written; if it did not fail, its time counts for the pace."""
        if len(self._unwritten) <= _BUSY:
            self._answered.clear()
        elif not failed:
            self._answered.append(time.monotonic())
            if len(self._answered) == _ANSWERS:
                self._pace_s = (self._answered[-1] - self._answered[0]) / (_ANSWERS - 1)
                self._measured = self._answered[-1]
        self._unwritten.pop(self._own.get(), None)

    def _require_slot(self, guild_id: int) -> None:
        """Raise UserError if no slot is free. One server may take most; if several want them, each gets its share."""
        servers = Counter(self._places.values())
        waiting, unwritten, own = self.waiting, len(self._unwritten), servers[guild_id]
        if time.monotonic() - self._measured > _GOOD_FOR_S:
            self._pace_s = _FIRST_PACE_S
        share = self._most // len(servers.keys() | {guild_id}) if waiting >= self._most // 2 else self._most
        # Somebody may wait for too long already, whatever the pace of the last answers was.
        behind = unwritten > _BUSY and self.oldest_s > self._patience_s
        if waiting >= self._most or unwritten * self._pace_s > self._patience_s or behind:
            raise self._refusal("More people are asking for texts than I can serve", waiting)
        if own >= min(share, self._most_of_one):
            raise self._refusal("This server is asking for more texts than I can serve", own)

    def _refusal(self, why: str, waiting: int) -> UserError:
        wait = duration(max(_SHORTEST_WAIT_S, waiting * self._pace_s))
        return UserError(f"{why}: {count(waiting, 'text')} in line.", f"Try again in {wait}.")
