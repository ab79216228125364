"""What a worker runs on, in a few plain words. Imports no TensorFlow: the service's parent process asks."""

from __future__ import annotations

import contextlib
import os
import platform
import re
from collections.abc import Sequence
from pathlib import Path

from worker.doctor.gpu import GpuFacts, gather, why_unused
from worker.gpus import Gpu, chosen

_CORES_VARIABLE = "TF_NUM_INTRAOP_THREADS"
"""TensorFlow's own, which it reads when it makes the threads that compute."""
_NOISE = re.compile(r"\(R\)|\(TM\)|\bCPU\b|\bProcessor\b|\d+-Core|@.*", re.IGNORECASE)


def describe(facts: GpuFacts | None = None) -> str:
    """The GPU's name if TensorFlow can use one here, else as `on_cpu`."""
    return named([gpu.name for gpu in usable_gpus(facts)]) or on_cpu()


def named(gpus: Sequence[str]) -> str:
    """In short, for people; empty when there are none."""
    if len(gpus) < 2:
        return "".join(gpus)
    return f"{len(gpus)} GPUs: {', '.join(dict.fromkeys(gpus))}"


def on_cpu() -> str:
    """Such as `2 cores of AMD EPYC`."""
    count = cores()
    return f"{count} core{'' if count == 1 else 's'} of {_processor()}"


def limit_cores(count: int) -> None:
    """Let TensorFlow compute on `count` cores only, in this process and in those that it starts."""
    os.environ[_CORES_VARIABLE] = str(count)


def cores() -> int:
    """Cores that this process may use; a container's limit counts, and that of `limit_cores`."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    limit = os.environ.get(_CORES_VARIABLE, "")
    if limit.isdigit() and int(limit):
        count = min(count, int(limit))
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text("ascii").split()
    except (OSError, ValueError):
        return count
    return count if quota == "max" else max(1, min(count, round(int(quota) / int(period))))


def usable_gpus(facts: GpuFacts | None = None) -> list[Gpu]:
    """The GPUs of this process, unless something is known that keeps TensorFlow from them."""
    facts = facts or gather()
    return chosen(list(facts.gpus), facts.visible) if why_unused(facts) is None else []


def _processor() -> str:
    described = ""
    with contextlib.suppress(OSError):
        described = Path("/proc/cpuinfo").read_text("utf-8", errors="replace")
    found = re.search(r"^model name\s*:\s*(.+)$", described, re.MULTILINE)
    name = found[1] if found else platform.processor() or platform.machine()
    return " ".join(_NOISE.sub(" ", name).split()) or "an unknown processor"
