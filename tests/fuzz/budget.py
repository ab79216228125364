"""How many cases of each kind are made, from which seed, and what running them cost.

`make test` makes a few hundred with a new seed each time; `make test-fuzz` makes `FUZZ_EXAMPLES` (10,000), and holds
them to the limits below. The seed is printed: `FUZZ_SEED` repeats a run.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import faulthandler
import gc
import json
import os
import random
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import hypothesis
import psutil
from hypothesis import HealthCheck, Phase

FULL = "FUZZ_EXAMPLES" in os.environ
"""The long run: its limits count, which on a busy machine would be no mistake of anybody's."""
EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "360"))
SEED = int(os.environ.setdefault("FUZZ_SEED", str(random.randrange(2**32))))
SHARES = {
    "commands": 0.26,
    "attachments": 0.1,
    "components": 0.24,
    "jobs": 0.16,
    "told": 0.08,
    "models": 0.08,
    "texts": 0.08,
}
"""Of all cases, by kind."""

HANG_S = 60.0
"""A case that takes longer hangs, however busy the machine is."""
SLOWEST_S = 5.0
MOST_GROWTH_MB = 64.0
"""Over the whole run of a kind, after its first tenth: Hypothesis itself keeps every example that it has made, some
10 KB each, and the local Discord lives in the bot's process. A leak of one message's or file's size in each case would
be far more."""


@dataclass
class Cost:
    """What the cases of one kind cost so far."""

    kind: str
    cases: int = 0
    slowest_s: float = 0.0
    slowest: str = ""
    first_mb: float | None = None
    grown_mb: float = 0.0

    @contextlib.contextmanager
    def measured(self, case: Any) -> Iterator[None]:
        """Time one case; a hang is told of with the stacks of all threads, and ends the process."""
        begun = time.perf_counter()
        yield
        took = time.perf_counter() - begun
        self.cases += 1
        if took > self.slowest_s:
            self.slowest_s, self.slowest = took, json.dumps(case)[:300]
        if self.cases == share(self.kind) // 10:
            self.first_mb = resident_mb()

    @contextlib.asynccontextmanager
    async def awaited(self, case: Any) -> AsyncIterator[None]:
        """The same for what runs on an event loop: a hang fails the case."""
        with self.measured(case):
            async with asyncio.timeout(HANG_S):
                yield

    def told(self) -> dict[str, Any]:
        """For the report at the end."""
        if self.first_mb is not None:
            self.grown_mb = max(0.0, resident_mb() - self.first_mb)
        return asdict(self)


@contextlib.contextmanager
def guarded() -> Iterator[None]:
    """A case that waits for nothing on an event loop: if it hangs, the process ends and tells where it was."""
    faulthandler.dump_traceback_later(HANG_S, exit=True, file=sys.__stderr__)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()


def share(kind: str) -> int:
    """How many cases of a kind are made."""
    return round(EXAMPLES * SHARES[kind])


def fuzz(kind: str, part: float = 1.0) -> Callable[[Any], Any]:
    """Run a test, already under `given`, on its part of a kind's cases, without Hypothesis's own limits of time."""
    settings = hypothesis.settings(
        max_examples=max(1, round(share(kind) * part)),
        database=None,  # what was found is kept in `corpus`, where people can read it
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.generate, Phase.shrink),
    )

    def decorate(test: Any) -> Any:
        return hypothesis.seed(SEED)(settings(test))

    return decorate


def resident_mb() -> float:
    """What this process holds in memory, once what is free was given back."""
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):  # glibc's
        ctypes.CDLL(None).malloc_trim(0)
    return psutil.Process().memory_info().rss / 1e6
