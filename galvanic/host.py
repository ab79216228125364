"""Say how many cores and how much memory of this machine, or of its container, a process may use."""

import os
from pathlib import Path


def cores() -> int:
    """Return the number of cores that this process may use; a container's limit counts, and TensorFlow's own."""
    number = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    limit = os.environ.get("TF_NUM_INTRAOP_THREADS", "")
    if limit.isdigit() and int(limit):
        number = min(number, int(limit))
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text("ascii").split()
    except (OSError, ValueError):
        return number
    return number if quota == "max" else max(1, min(number, round(int(quota) / int(period))))


def memory_bytes() -> int | None:
    """Return the bytes of the machine's memory, or of its container's; None if that is unknown."""
    try:
        physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):  # not on Windows
        return None
    try:
        limit = Path("/sys/fs/cgroup/memory.max").read_text("ascii").strip()
    except OSError:
        return physical
    return min(physical, int(limit)) if limit.isdigit() else physical
