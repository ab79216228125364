"""Say how many cores and how much memory of this machine, or of its container, a process may use."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

_CGROUPS = Path("/sys/fs/cgroup")


def _limits(name: str) -> Iterator[list[str]]:
    """Yield the words of a limit's file, of this process's control group and of those that it lies in."""
    try:
        own = Path("/proc/self/cgroup").read_text("utf-8").partition("0::")[2].splitlines()[0]
    except (OSError, IndexError):
        own = "/"
    group = _CGROUPS / own.strip("/")
    folders = [group, *group.parents]
    for folder in folders[: folders.index(_CGROUPS) + 1]:
        with contextlib.suppress(OSError, ValueError):
            yield (folder / name).read_text("ascii").split()


def cores() -> int:
    """Return the number of cores that this process may use, by limits of its container, its service and TensorFlow."""
    number = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    limit = os.environ.get("TF_NUM_INTRAOP_THREADS", "")
    if limit.isdigit() and int(limit):
        number = min(number, int(limit))
    for quota, period in _limits("cpu.max"):
        if quota != "max":
            number = max(1, min(number, round(int(quota) / int(period))))
    return number


def memory_bytes() -> int | None:
    """Return the bytes of memory that the machine, its container or service has; None if that is unknown."""
    try:
        physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):  # not on Windows
        return None
    return min([physical, *(int(limit) for (limit,) in _limits("memory.max") if limit != "max")])
