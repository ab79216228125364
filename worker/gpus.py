"""The GPUs of this machine, as NVIDIA's own tool tells them: what they are, and what their memory is used for.

Imports no TensorFlow: the service's parent process and the metrics ask.
"""

from __future__ import annotations

import csv
import os
import shutil
import subprocess
from dataclasses import dataclass

_ASK_S = 10
_FIELDS = ("index", "uuid", "name", "memory.used", "memory.total", "driver_version")


@dataclass(frozen=True)
class Gpu:
    """One GPU.

    Attributes:
        index: as `CUDA_VISIBLE_DEVICES` counts them with `CUDA_DEVICE_ORDER=PCI_BUS_ID`.
        uuid: `GPU-...`, which `CUDA_VISIBLE_DEVICES` takes as well.
        name: for people.
        memory_used_mb, memory_total_mb: of all programs together, in MiB.
        driver: the driver's version.
    """

    index: int
    uuid: str
    name: str
    memory_used_mb: int
    memory_total_mb: int
    driver: str


def installed() -> list[Gpu]:
    """All GPUs of the machine; none where NVIDIA's tool is not there or does not reach a driver."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return []
    try:
        asked = subprocess.run(
            [tool, f"--query-gpu={','.join(_FIELDS)}", "--format=csv,noheader,nounits"],
            capture_output=True,
            text=True,
            timeout=_ASK_S,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return []
    gpus = []
    for row in csv.reader(asked.stdout.splitlines(), skipinitialspace=True):
        if len(row) == len(_FIELDS):
            index, uuid, name, used, total, driver = (value.strip() for value in row)
            gpus.append(Gpu(int(index), uuid, name, _mb(used), _mb(total), driver))
    return gpus


def visible() -> list[Gpu]:
    """Those that this process may use, by `CUDA_VISIBLE_DEVICES`."""
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is None:
        return installed()
    wanted = [one.strip() for one in chosen.split(",")]
    if not wanted or wanted[0] in ("", "-1"):
        return []
    return [gpu for gpu in installed() if str(gpu.index) in wanted or any(gpu.uuid.startswith(w) for w in wanted if w)]


def _mb(value: str) -> int:
    """Some drivers say `[N/A]`."""
    return int(value) if value.isdigit() else 0
