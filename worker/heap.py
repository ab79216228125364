"""Returns to the system what the C library keeps of freed memory."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable

EVERY_S = 20.0


def trim() -> bool:
    """False where the C library has no such call: only glibc has.

    Each thread has pools of its own, and a piece in use at a pool's end keeps all free memory before it: after a
    thousand texts with ten models 390 to 790 MB were held, after this call 390 to 410. Fewer pools or lower thresholds
    (MALLOC_ARENA_MAX, MALLOC_TRIM_THRESHOLD_; mallopt(3)) left 500 to 610.
    """
    try:
        malloc_trim = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):  # another C library; TypeError: Windows
        return False
    malloc_trim(0)
    return True


class Trimmer(threading.Thread):
    """Trims `every_s` seconds after something was done, and not while nothing is; False from `trim` ends it."""

    def __init__(self, every_s: float = EVERY_S, trim: Callable[[], bool] = trim) -> None:
        super().__init__(name="trimmer", daemon=True)
        self._every_s = every_s
        self._trim = trim
        self._worked = threading.Event()
        self._ended = threading.Event()

    def worked(self) -> None:
        self._worked.set()

    def stop(self) -> None:
        self._ended.set()
        self._worked.set()

    def run(self) -> None:
        while self._worked.wait() and not self._ended.wait(self._every_s):
            self._worked.clear()
            if not self._trim():
                return
