"""The description of a worker's hardware. Imports no TensorFlow: the service's parent process asks."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Sequence
from pathlib import Path

from galvanic.units import count
from worker.gpus import Gpu, visible, why_unused

_CORES_VARIABLE = "TF_NUM_INTRAOP_THREADS"
"""TensorFlow's own, which it reads when it makes the threads that compute."""
_NOISE = re.compile(r"\(R\)|\(TM\)|\bCPU\b|\bProcessor\b|\d+-Core|@.*", re.IGNORECASE)


def describe() -> str:
    """Return the GPU's name if TensorFlow can use one, else cores and processor."""
    return named([gpu.name for gpu in usable_gpus()]) or on_cpu()


def named(gpus: Sequence[str]) -> str:
    """Name GPUs in short, for people; empty if there are none."""
    if len(gpus) < 2:
        return "".join(gpus)
    return f"{len(gpus)} GPUs: {', '.join(dict.fromkeys(gpus))}"


def on_cpu() -> str:
    """Return cores and processor, such as `2 cores of AMD EPYC`."""
    return f"{count(cores(), 'core')} of {_processor()}"


def limit_cores(most: int) -> None:
    """Let TensorFlow compute on so many cores only, in this process and in those that it starts."""
    os.environ[_CORES_VARIABLE] = str(most)


def cores() -> int:
    """Return the number of cores that this process may use; a container's limit counts, and that of `limit_cores`."""
    number = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    limit = os.environ.get(_CORES_VARIABLE, "")
    if limit.isdigit() and int(limit):
        number = min(number, int(limit))
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text("ascii").split()
    except (OSError, ValueError):
        return number
    return number if quota == "max" else max(1, min(number, round(int(quota) / int(period))))


def usable_gpus() -> list[Gpu]:
    """Return the GPUs of this process, unless something is known that keeps TensorFlow from them."""
    return visible() if why_unused() is None else []


def _processor() -> str:
    try:
        named = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text("utf-8"), re.MULTILINE)
    except OSError:  # not Linux
        named = None
    name = named[1] if named else platform.processor() or platform.machine()
    return " ".join(_NOISE.sub(" ", name).split()) or "an unknown processor"
