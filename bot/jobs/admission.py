"""Limits how many texts people wait for at once: more than can be written in time are refused."""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from galvanic.errors import UserError
from galvanic.units import count, duration
from shared.settings import Settings

_BUSY = 8  # with fewer waiting, one that waits for long is no sign of a crowd
_SHORTEST_WAIT_S = 5.0
_SHARE_OF_ONE = 0.8  # of all slots: a server that floods leaves room for others


class Admission:
    """Admission control for texts.

    A request takes a slot before anything is done for it, and keeps it until it is answered. So when everybody asks at
    once, what cannot be served is refused while that is cheap, and the others are answered in time. The time of writing
    counts, not of posting: Discord makes posts to one channel wait for each other.
    """

    def __init__(self, settings: Settings) -> None:
        self._most = settings.generate_jobs
        self._most_of_one = max(1, int(_SHARE_OF_ONE * self._most))
        self._patience_s = settings.generate_timeout_s / 4
        self._places: dict[object, int] = {}  # servers
        self._unwritten: dict[object, float] = {}  # since when they wait; the oldest first
        self._own: ContextVar[object] = ContextVar("slot", default=None)

    @property
    def waiting(self) -> int:
        return len(self._places)

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

    def written(self) -> None:
        """Note that the text of this task's slot is written, or has failed."""
        self._unwritten.pop(self._own.get(), None)

    def _require_slot(self, guild_id: int) -> None:
        """Raise UserError if no slot is free. One server may take most; if several want them, each gets its share.

        Workers take servers in turn (`worker.passes`). So a server waits for its own texts, and for one of each other.
        """
        servers, unwritten = Counter(self._places.values()), Counter(self._places[slot] for slot in self._unwritten)
        waiting, own = self.waiting, servers[guild_id]
        now = time.monotonic()
        oldest_s = now - next(iter(self._unwritten.values()), now)
        late = {self._places[slot] for slot, since in self._unwritten.items() if now - since > self._patience_s}
        late_texts = sum(unwritten[server] if server == guild_id else 1 for server in late)
        share = self._most // len(servers.keys() | {guild_id}) if waiting >= self._most // 2 else self._most
        if waiting >= self._most or late_texts > _BUSY:
            problem = f"More people are asking for texts than I can serve: {count(waiting, 'text')} in line."
        elif own >= min(share, self._most_of_one):
            problem = f"This server is asking for more texts than I can serve: {count(own, 'text')} in line."
        else:
            return
        raise UserError(problem, f"Try again in {duration(max(_SHORTEST_WAIT_S, oldest_s))}.")
