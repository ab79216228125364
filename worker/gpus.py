"""This machine's GPUs, as nvidia-smi tells. Imports no TensorFlow: the service's parent process and the metrics ask."""

from __future__ import annotations

import csv
import os
import shutil
import subprocess
from dataclasses import dataclass

from galvanic.errors import UserError

_ASK_S = 10
_FIELDS = ("index", "uuid", "name", "memory.used", "memory.total", "driver_version")
_OF_WSL = "/usr/lib/wsl/lib/nvidia-smi"
"""Where Windows lays it, which is not on every PATH."""


@dataclass(frozen=True)
class Gpu:
    index: int  # as `CUDA_VISIBLE_DEVICES` counts with `CUDA_DEVICE_ORDER=PCI_BUS_ID`
    uuid: str  # `GPU-...`, which `CUDA_VISIBLE_DEVICES` takes as well
    name: str
    memory_used_mb: int  # MiB, of all programs together
    memory_total_mb: int
    driver: str  # its version


def tool() -> str | None:
    return shutil.which("nvidia-smi") or shutil.which(_OF_WSL)


def ask(*arguments: str) -> tuple[bool, str]:
    """Run nvidia-smi; return whether it succeeded, and what it printed or why it could not."""
    program = tool()
    if program is None:
        return False, ""
    try:
        asked = subprocess.run(
            [program, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=_ASK_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return False, f"nvidia-smi did not answer within {_ASK_S} s"
    except OSError as error:
        return False, str(error)
    return asked.returncode == 0, asked.stdout


def table(what: str, fields: tuple[str, ...]) -> list[list[str]]:
    """Rows for a query such as `--query-gpu`, with values in the order of `fields`; none where nvidia-smi fails."""
    succeeded, printed = ask(f"{what}={','.join(fields)}", "--format=csv,noheader,nounits")
    rows = csv.reader(printed.splitlines(), skipinitialspace=True) if succeeded else ()
    return [[value.strip() for value in row] for row in rows if len(row) == len(fields)]


def installed() -> list[Gpu]:
    """Empty where nvidia-smi is not there or does not reach a driver."""
    return [
        Gpu(int(index), uuid, name, megabytes(used), megabytes(total), driver)
        for index, uuid, name, used, total, driver in table("--query-gpu", _FIELDS)
        if index.isdigit()
    ]


def visible() -> list[Gpu]:
    return chosen(installed(), os.environ.get("CUDA_VISIBLE_DEVICES"))


def chosen(gpus: list[Gpu], setting: str | None) -> list[Gpu]:
    """The GPUs that a value of `CUDA_VISIBLE_DEVICES` leaves; None: it is not set."""
    if setting is None:
        return gpus
    wanted = [one.strip() for one in setting.split(",")]
    if wanted[0] in ("", "-1"):
        return []
    return [gpu for gpu in gpus if str(gpu.index) in wanted or any(gpu.uuid.startswith(w) for w in wanted if w)]


def use(which: str) -> Gpu:
    """Let this process and its children see one GPU alone, by number, UUID or how that begins. Raises UserError."""
    gpus = installed()
    found = [gpu for gpu in gpus if which == str(gpu.index)] or [gpu for gpu in gpus if gpu.uuid.startswith(which)]
    if len(found) != 1 or not which:
        there = "; ".join(f"{gpu.index} is {gpu.name}, {gpu.uuid}" for gpu in gpus)
        raise UserError(
            f"There is no GPU {which!r} here.",
            f"Choose one of these: {there}." if gpus else "nvidia-smi finds none; `python -m worker doctor` says why.",
        )
    os.environ["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID"
    os.environ["CUDA_VISIBLE_DEVICES"] = found[0].uuid
    return found[0]


def megabytes(value: str) -> int:
    """MiB; 0 for `[N/A]`, which some drivers say."""
    return int(value) if value.isdigit() else 0
