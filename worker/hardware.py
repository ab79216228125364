"""What a worker runs on, in a few plain words. Imports no TensorFlow: the service's parent process asks."""

from __future__ import annotations

import importlib.util
import os
import platform
import re
import shutil
import subprocess
from pathlib import Path

from worker.gpus import visible

_ASK_S = 10
_NOISE = re.compile(r"\(R\)|\(TM\)|\bCPU\b|\bProcessor\b|\d+-Core|@.*", re.IGNORECASE)


def describe() -> str:
    """The GPU's name if TensorFlow can use one here, else cores and processor: `2 cores of AMD EPYC`."""
    gpus = _gpus()
    if gpus:
        return gpus[0] if len(set(gpus)) == len(gpus) == 1 else f"{len(gpus)} GPUs: {', '.join(dict.fromkeys(gpus))}"
    count = cores()
    return f"{count} core{'' if count == 1 else 's'} of {_processor()}"


def cores() -> int:
    """Cores that this process may use; a container's limit counts."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text("ascii").split()
    except (OSError, ValueError):
        return count
    return count if quota == "max" else max(1, min(count, round(int(quota) / int(period))))


def _gpus() -> list[str]:
    """Names of the GPUs that may be used, if the libraries that TensorFlow needs for them are there."""
    return [gpu.name for gpu in visible()] if importlib.util.find_spec("nvidia") is not None else []


def _processor() -> str:
    """The processor's name without what makers add to it."""
    name = _named_by_linux() or _named_by_macos() or platform.processor() or platform.machine()
    return " ".join(_NOISE.sub(" ", name).split()) or "an unknown processor"


def _named_by_linux() -> str:
    try:
        described = Path("/proc/cpuinfo").read_text("utf-8", errors="replace")
    except OSError:
        return ""
    found = re.search(r"^model name\s*:\s*(.+)$", described, re.MULTILINE)
    return found[1] if found else ""


def _named_by_macos() -> str:
    tool = shutil.which("sysctl")
    if platform.system() != "Darwin" or tool is None:
        return ""
    try:
        asked = subprocess.run(
            [tool, "-n", "machdep.cpu.brand_string"], capture_output=True, text=True, timeout=_ASK_S, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return asked.stdout.strip()
