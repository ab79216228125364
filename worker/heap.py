"""Gives the memory back to the system that a burst of work has left behind in the allocator's pools."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable

EVERY_S = 20.0


def trim() -> bool:
    """Give back what the C library keeps of freed memory; False where it has no such call (only glibc has).

    Threads get pools of their own, and a piece in use at a pool's end keeps all that is free before it: after a
    thousand texts with ten models 390 to 790 MB were held, of which this gave back all but 390 to 410. Fewer pools or
    lower thresholds (MALLOC_ARENA_MAX, MALLOC_TRIM_THRESHOLD_; mallopt(3)) left 500 to 610.
    """
    try:
        malloc_trim = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):  # another C library; TypeError: Windows
        return False
    malloc_trim(0)
    return True


class Trimmer(threading.Thread):
    """Trims some seconds after something was done, and not while nothing is.

    Args:
        every_s: seconds between two trims, at least.
        trim: does it; False ends the thread.
    """

    def __init__(self, every_s: float = EVERY_S, trim: Callable[[], bool] = trim) -> None:
        super().__init__(name="trimmer", daemon=True)
        self._every_s = every_s
        self._trim = trim
        self._worked = threading.Event()
        self._ended = threading.Event()

    def worked(self) -> None:
        """Something was done that may have left memory behind."""
        self._worked.set()

    def stop(self) -> None:
        """End without another trim."""
        self._ended.set()
        self._worked.set()

    def run(self) -> None:
        """Trim until stopped."""
        while self._worked.wait() and not self._ended.wait(self._every_s):
            self._worked.clear()
            if not self._trim():
                return
