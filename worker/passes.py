"""Turns at a worker's processor: what many servers want at once is shared out evenly between them."""

import contextlib
import threading
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from galvanic.request import between_blocks


class _Waiting(NamedTuple):
    """A request that waits for a turn."""

    guild_id: int
    turn: threading.Event


class Passes:
    """A semaphore that shares its turns evenly between servers. Safe between threads.

    A server may have all of them, but only while no other server waits: the next free one goes to the server that has
    the fewest, and a text that is being written gives its own up between two blocks to a server that has fewer.
    """

    def __init__(self, number: int) -> None:
        self._free = number
        self._held: Counter[int] = Counter()
        self._waiting: list[_Waiting] = []  # the oldest first
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def turn(self, guild_id: int, *, gives_way: bool = True) -> Iterator[None]:
        """Wait for a turn of a server, and have it meanwhile.

        `gives_way` False: it is not given up in between. Work that holds a lock, as the check of an import, would keep
        it from all who wait for it in a turn of theirs, and so never get its own back.
        """
        with self._lock:
            waiting = None if self._free else self._wait(guild_id)
            if waiting is None:
                self._free -= 1
                self._held[guild_id] += 1
        if waiting is not None:
            waiting.turn.wait()
        pausing = threading.Lock()  # a text may be written by several threads, which pause together

        def pause() -> None:
            if gives_way:
                with pausing:
                    self._give_way(guild_id)

        before = between_blocks.set(pause)
        try:
            yield
        finally:
            between_blocks.reset(before)
            with self._lock:
                self._pass_on(guild_id)

    def _give_way(self, guild_id: int) -> None:
        with self._lock:
            if all(self._held[other.guild_id] >= self._held[guild_id] for other in self._waiting):
                return
            self._pass_on(guild_id)
            waiting = self._wait(guild_id)
        waiting.turn.wait()

    def _wait(self, guild_id: int) -> _Waiting:
        waiting = _Waiting(guild_id, threading.Event())
        self._waiting.append(waiting)
        return waiting

    def _pass_on(self, guild_id: int) -> None:
        """End a turn of a server, which still counts when the next one is chosen."""
        chosen = min(self._waiting, key=lambda waiting: self._held[waiting.guild_id], default=None)
        self._held[guild_id] -= 1
        if not self._held[guild_id]:
            del self._held[guild_id]
        if chosen is None:
            self._free += 1
            return
        self._waiting.remove(chosen)
        self._held[chosen.guild_id] += 1
        chosen.turn.set()
