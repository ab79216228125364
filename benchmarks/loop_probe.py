"""Measure how long an event loop stands still: `python -m benchmarks.loop_probe --to FILE [--idle]`.

It runs the bot, as `python -m bot` does, with one task more, which sleeps 5 ms at a time and notes by how much it
overslept. With `--idle` it runs that task alone, which measures the machine. The file gets a JSON line each second.
"""

import argparse
import asyncio
import gc
import json
import resource
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TextIO

from shared.settings import Settings

SLEEP_S = 0.005
_LINE_EVERY_S = 1.0
_LONG_S = 0.010
"""Callbacks that take longer are named."""
_LONG_KEPT = 5


@dataclass
class Second:
    """The measurements of one second, in milliseconds unless stated otherwise.

    Attributes:
        at: when it ended, seconds since the epoch.
        pause: the longest time that the loop stood still.
        own_pause: the same, without the time that the thread waited for a processor (Linux; elsewhere `pause`).
        callback: the longest time of a callback.
        callback_cpu: the most processor time of a callback.
        collection: longest garbage collection.
        cpu: processor time of all threads.
        peak_mb: most memory of the process so far, in megabytes.
        long: the longest callbacks, each as `name: milliseconds (processor time)`.
    """

    at: float = 0.0
    pause: float = 0.0
    own_pause: float = 0.0
    callback: float = 0.0
    callback_cpu: float = 0.0
    collection: float = 0.0
    cpu: float = 0.0
    peak_mb: float = 0.0
    long: list[str] = field(default_factory=list)


class Probe:
    """Measures the loop that it runs in.

    Args:
        out: gets the lines.
    """

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._second = Second()
        self._long: list[tuple[float, float, str]] = []
        self._collecting = 0.0

    async def run(self) -> None:
        """Measure until cancelled."""
        gc.callbacks.append(self._collection)
        stop = self._watch_callbacks()
        try:
            await self._measure()
        finally:
            stop()
            gc.callbacks.remove(self._collection)

    async def _measure(self) -> None:
        written, cpu = time.monotonic(), time.process_time()
        while True:
            waited, begun = _kernel_wait_s(), time.perf_counter()
            await asyncio.sleep(SLEEP_S)
            pause = time.perf_counter() - begun - SLEEP_S
            second = self._second
            second.pause = max(second.pause, 1_000 * pause)
            second.own_pause = max(second.own_pause, 1_000 * (pause - (_kernel_wait_s() - waited)))
            if time.monotonic() - written >= _LINE_EVERY_S:
                second.cpu = 1_000 * (time.process_time() - cpu)
                written, cpu = time.monotonic(), time.process_time()
                self._write()

    def _write(self) -> None:
        self._second.at, self._second.peak_mb = time.time(), _peak_mb()
        self._second.long = [
            f"{name}: {1_000 * wall:.1f} ({1_000 * cpu:.1f})"
            for wall, cpu, name in sorted(self._long, reverse=True)[:_LONG_KEPT]
        ]
        print(json.dumps(asdict(self._second)), file=self._out, flush=True)
        self._second, self._long = Second(), []

    def _collection(self, phase: str, _info: dict[str, int]) -> None:
        if phase == "start":
            self._collecting = time.perf_counter()
        else:
            took = 1_000 * (time.perf_counter() - self._collecting)
            self._second.collection = max(self._second.collection, took)

    def _watch_callbacks(self) -> Callable[[], None]:
        """Time every callback of every loop of this process, until the returned function is called.

        asyncio's own debug mode costs far more.
        """
        run = asyncio.Handle._run

        def timed(handle: asyncio.Handle) -> None:
            wall, cpu = time.perf_counter(), time.thread_time()
            try:
                run(handle)
            finally:
                took, worked = time.perf_counter() - wall, time.thread_time() - cpu
                second = self._second
                second.callback = max(second.callback, 1_000 * took)
                second.callback_cpu = max(second.callback_cpu, 1_000 * worked)
                if took > _LONG_S:
                    self._long.append((took, worked, _name_of(handle)))

        def stop() -> None:
            asyncio.Handle._run = run  # type: ignore[method-assign]

        asyncio.Handle._run = timed  # type: ignore[assignment,method-assign]
        return stop


def _name_of(handle: asyncio.Handle) -> str:
    """Name the task that a callback ran, and where it waits; else the callback."""
    callback = handle._callback  # type: ignore[attr-defined]
    task = getattr(callback, "__self__", None)
    if not isinstance(task, asyncio.Task):
        return str(getattr(callback, "__qualname__", None) or callback)
    frames = task.get_stack()
    where = f" at {frames[-1].f_code.co_qualname}:{frames[-1].f_lineno}" if frames else ""
    return f"{getattr(task.get_coro(), '__qualname__', 'a task')}{where}"


def _kernel_wait_s() -> float:
    """Return the seconds that this thread has waited for a processor so far; 0 if the kernel doesn't say."""
    try:
        return int(Path("/proc/thread-self/schedstat").read_text("ascii").split()[1]) / 1e9
    except (OSError, IndexError):
        return 0.0


def _peak_mb() -> float:
    """Return the most resident memory that this process had so far, in megabytes."""
    try:
        status = Path("/proc/self/status").read_text("utf-8")
    except OSError:
        # In bytes on macOS. On Linux it would count the program that started this one, too.
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1_024) / 1e6
    kib = next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(kib) * 1_024 / 1e6


def _run_bot(probe: Probe) -> int:
    import bot.__main__ as entry

    run = entry._run

    async def probed(settings: Settings) -> None:
        task = asyncio.create_task(probe.run())
        try:
            await run(settings)
        finally:
            task.cancel()

    entry._run = probed
    return entry.main()


async def _run_idle(probe: Probe) -> None:
    task = asyncio.create_task(probe.run())
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    await asyncio.wait([task])


def main() -> int:
    """Run the bot, or nothing, and measure."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.loop_probe", description=__doc__)
    parser.add_argument("--to", type=Path, required=True)
    parser.add_argument("--idle", action="store_true")
    options = parser.parse_args()
    with options.to.open("w", encoding="utf-8") as out:
        if options.idle:
            asyncio.run(_run_idle(Probe(out)))
            return 0
        return _run_bot(Probe(out))


if __name__ == "__main__":
    sys.exit(main())
