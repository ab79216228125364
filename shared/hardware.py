"""This machine's hardware: its cores, its GPUs by nvidia-smi, and why TensorFlow uses none. Imports no TensorFlow."""

from __future__ import annotations

import contextlib
import csv
import importlib.metadata
import os
import platform
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from galvanic.errors import UserError
from galvanic.host import cores
from galvanic.units import count

_NOISE = re.compile(r"\(R\)|\(TM\)|\bCPU\b|\bProcessor\b|\d+-Core|@.*", re.IGNORECASE)
_ASK_S = 10
_FIELDS = ("index", "uuid", "name", "memory.used", "memory.total", "driver_version")
_OF_WSL = "/usr/lib/wsl/lib/nvidia-smi"  # the tool's path in WSL, which is not on every PATH
_CUDA_BUILD = ("tensorflow", "nvidia-cudnn-cu12")  # TensorFlow's build with CUDA; `tensorflow-cpu` is that for CPUs
_NVIDIA, _DISPLAY = "0x10de", "0x03"  # a PCI device's vendor; graphics cards' classes begin so, also without a screen


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


@dataclass(frozen=True)
class Gpu:
    """An NVIDIA GPU, as nvidia-smi describes it."""

    index: int  # as `CUDA_VISIBLE_DEVICES` counts with `CUDA_DEVICE_ORDER=PCI_BUS_ID`
    uuid: str  # `GPU-...`, which `CUDA_VISIBLE_DEVICES` takes as well
    name: str
    memory_used_mb: int  # MiB, of all programs together
    memory_total_mb: int
    driver: str  # its version


def _tool() -> str | None:
    return shutil.which("nvidia-smi") or shutil.which(_OF_WSL)


def _ask(*arguments: str) -> tuple[bool, str]:
    """Run nvidia-smi, and return whether it succeeded, and its output or why there is none."""
    tool = _tool()
    if tool is None:
        return False, "There is no nvidia-smi."
    command = [tool, *arguments]
    try:
        return True, subprocess.check_output(
            command, stderr=subprocess.STDOUT, text=True, errors="replace", timeout=_ASK_S
        )
    except subprocess.CalledProcessError as error:
        return False, error.output
    except (subprocess.TimeoutExpired, OSError) as error:
        return False, str(error)


def installed() -> list[Gpu]:
    """Return this machine's GPUs; none if nvidia-smi is missing or does not reach a driver."""
    succeeded, printed = _ask(f"--query-gpu={','.join(_FIELDS)}", "--format=csv,noheader,nounits")
    rows = csv.reader(printed.splitlines(), skipinitialspace=True) if succeeded else ()
    return [
        Gpu(int(index), uuid, name, _megabytes(used), _megabytes(total), driver)
        for index, uuid, name, used, total, driver in (row for row in rows if len(row) == len(_FIELDS))
        if index.isdigit()
    ]


def visible() -> list[Gpu]:
    return chosen(installed(), os.environ.get("CUDA_VISIBLE_DEVICES"))


def chosen(gpus: list[Gpu], setting: str | None) -> list[Gpu]:
    """Return the GPUs that a value of `CUDA_VISIBLE_DEVICES` leaves; None: it is not set."""
    if setting is None:
        return gpus
    names = [name.strip() for name in setting.split(",")]
    if names[0] in ("", "-1"):
        return []
    return [gpu for gpu in gpus if str(gpu.index) in names or any(gpu.uuid.startswith(name) for name in names if name)]


def _megabytes(value: str) -> int:
    """Return a number of MiB; 0 for `[N/A]`, which some drivers say."""
    return int(value) if value.isdigit() else 0


def why_unused(root: Path = Path("/")) -> UserError | None:
    """Return what keeps TensorFlow from this machine's NVIDIA card and what to do; None: nothing known, or no card.

    `root`: the folder that has /sys, /dev and a container's mark.
    """
    cards = installed()
    if not cards and not _on_the_bus(root):
        return None
    container = any((root / mark).exists() for mark in (".dockerenv", "run/.containerenv"))  # Docker's, Podman's
    if not cards and container and not (root / "dev/nvidiactl").exists():
        return UserError(
            "The host has an NVIDIA card, but this container was started without it.",
            "Install the NVIDIA Container Toolkit on the host (docs/gpu.md), and start the services with the card: "
            "docker compose --profile gpu up -d",
        )
    if not cards and _tool() is None:
        return UserError(
            "There is an NVIDIA card, but no driver for it, or not its tool nvidia-smi.",
            "Install the driver (Ubuntu: sudo ubuntu-drivers install; Debian: sudo apt install nvidia-driver), "
            "and restart.",
        )
    if not cards:
        return UserError(
            f"NVIDIA's driver finds no card that answers. nvidia-smi says: {' '.join(_ask()[1].split())[:200]}",
            "Restart; driver or kernel may have been updated. If that does not help, install the driver anew. "
            "This shows its own words: sudo dmesg | grep -i nvrm",
        )
    if platform.machine() != "x86_64":
        return UserError(
            f"TensorFlow uses a GPU on x86-64 alone, and this is {platform.machine()}.",
            "A train worker on another host can use one (docs/containers.md).",
        )
    if not _has_cuda():
        return UserError(
            "There is an NVIDIA card, but TensorFlow is installed without CUDA.",
            "Use the image galvanic-worker-gpu: docker compose --profile gpu up -d --build"
            if container
            else "Install the build with CUDA (about 4 GB): rm -f .venv/.installed-*; make install WORKER=worker-gpu",
        )
    setting = os.environ.get("CUDA_VISIBLE_DEVICES")
    if not chosen(cards, setting):
        return UserError(
            f"CUDA_VISIBLE_DEVICES hides the card: it is set to {setting!r}.",
            "Take it out of your shell, the service's unit or Compose's .env, or set it to the card's number: "
            + ", ".join(str(card.index) for card in cards),
        )
    return None


def _has_cuda() -> bool:
    """Return whether TensorFlow's build with CUDA is installed."""
    try:
        return all(importlib.metadata.version(package) for package in _CUDA_BUILD)
    except importlib.metadata.PackageNotFoundError:
        return False


def _on_the_bus(root: Path) -> bool:
    """Return whether a card of NVIDIA's is in this machine, with a driver or without."""
    for device in (root / "sys/bus/pci/devices").glob("*"):
        with contextlib.suppress(OSError):
            vendor, kind = ((device / name).read_text("ascii").strip() for name in ("vendor", "class"))
            if vendor == _NVIDIA and kind.startswith(_DISPLAY):
                return True
    return False
