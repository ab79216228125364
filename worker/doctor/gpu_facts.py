"""What can be found out about a machine's GPU without TensorFlow; nothing is judged."""

from __future__ import annotations

import ast
import contextlib
import importlib.metadata
import importlib.util
import os
import platform
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from worker import gpus
from worker.gpus import Gpu

_NVIDIA = "0x10de"  # as a PCI vendor
_DISPLAY = "0x03"  # how the PCI classes of graphics cards begin, those without a screen too
_REQUIREMENT = re.compile(r"^(nvidia[\w-]*).*and-cuda")


@dataclass(frozen=True)
class Program:
    pid: int
    name: str
    memory_mb: int  # of the GPU's, MiB; 0: not told
    gpu: str  # its UUID


@dataclass(frozen=True)
class GpuFacts:
    """The defaults are those of a machine without a GPU."""

    system: str = "Linux"
    machine: str = "x86_64"
    python: str = ".venv/bin/python"  # for commands that a person types
    checkout: bool = True  # runs from the project's folder (`make`), not from an image
    card: bool = False  # one of NVIDIA's is on the bus, or its driver is loaded
    container: bool = False
    device: bool = False  # NVIDIA's files are in /dev
    tool: bool = False  # nvidia-smi is there
    tool_says: str = ""  # how it failed; empty: it works
    gpus: tuple[Gpu, ...] = ()
    programs: tuple[Program, ...] = ()
    visible: str | None = None  # `CUDA_VISIBLE_DEVICES`; None: not set
    tensorflow: bool = True  # installed
    cuda_of_build: str = ""  # the CUDA version that TensorFlow was built with; empty: the build for CPUs
    missing: tuple[str, ...] = ()  # packages with CUDA's libraries that TensorFlow wants
    seen: tuple[str, ...] | None = None  # GPUs that TensorFlow itself finds; None: it was not asked


def gather(root: Path = Path("/"), seen: Iterable[str] | None = None) -> GpuFacts:
    """`root`: the folder of /proc, /sys and /dev. `seen`: the GPUs that TensorFlow finds; None: it was not asked."""
    works, told = gpus.ask()
    found = gpus.installed() if works else []
    build = _build_info()
    cuda = str((build or {}).get("cuda_version", ""))
    return GpuFacts(
        system=platform.system(),
        machine=platform.machine(),
        python=".venv/bin/python" if Path(".venv/bin/python").exists() else "python",
        checkout=Path("Makefile").exists() and Path("launcher").is_dir(),
        card=bool(found) or _on_the_bus(root) or (root / "proc/driver/nvidia/version").exists(),
        container=(root / ".dockerenv").exists() or (root / "run/.containerenv").exists(),  # Docker's, Podman's
        device=(root / "dev/nvidiactl").exists(),
        tool=gpus.tool() is not None,
        tool_says="" if works else " ".join(told.split()),
        gpus=tuple(found),
        programs=tuple(_programs(root)) if found else (),
        visible=os.environ.get("CUDA_VISIBLE_DEVICES"),
        tensorflow=build is not None,
        cuda_of_build=cuda,
        missing=tuple(_missing_libraries()) if cuda else (),
        seen=None if seen is None else tuple(seen),
    )


def _on_the_bus(root: Path) -> bool:
    return any(
        _read(device / "class").startswith(_DISPLAY) and _read(device / "vendor") == _NVIDIA
        for device in (root / "sys/bus/pci/devices").glob("*")
    )


def _programs(root: Path) -> Iterable[Program]:
    fields = ("gpu_uuid", "pid", "process_name", "used_memory")
    for uuid, pid, name, used in gpus.table("--query-compute-apps", fields):
        if pid.isdigit():
            # Of one in Python its name says nothing; what it runs can be seen, but not from a container.
            words = _read(root / "proc" / pid / "cmdline").replace("\0", " ").split() if "python" in name else []
            yield Program(int(pid), " ".join([Path(name).name, *words[1:5]]), gpus.megabytes(used), uuid)


def _build_info() -> dict[str, Any] | None:
    """What TensorFlow says of its build, read without importing it, which takes seconds; None: not installed."""
    spec = importlib.util.find_spec("tensorflow")
    if spec is None or not spec.submodule_search_locations:
        return None
    source = _read(Path(spec.submodule_search_locations[0]) / "python/platform/build_info.py")
    # build_info = collections.OrderedDict([...]), written by its build
    literal = re.search(r"OrderedDict\((\[.*\])\)", source, re.DOTALL)
    return dict(ast.literal_eval(literal[1])) if literal else {}


def _missing_libraries() -> Iterable[str]:
    """The packages of TensorFlow's extra `and-cuda` that are not installed."""
    wanted: list[str] = []
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):  # another build of it
        wanted = importlib.metadata.requires("tensorflow") or []
    for name in (found[1] for found in map(_REQUIREMENT.match, wanted) if found):
        try:
            importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            yield name


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8", errors="replace").strip()
    except OSError:
        return ""
