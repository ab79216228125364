"""What can be found out about a machine's GPU without TensorFlow; nothing is judged."""

from __future__ import annotations

import ast
import getpass
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
_IN_CONTAINER = re.compile(r"docker|containerd|kubepods|libpod|lxc")
_REQUIREMENT = re.compile(r"^(nvidia[\w-]*)")


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
    tool: bool = False  # nvidia-smi is there
    tool_says: str = ""  # how it failed; empty: it works
    devices: tuple[str, ...] = ()  # NVIDIA's files in /dev
    denied: tuple[str, ...] = ()  # those of them that this user may not open
    user: str = "me"
    gpus: tuple[Gpu, ...] = ()
    programs: tuple[Program, ...] = ()
    visible: str | None = None  # `CUDA_VISIBLE_DEVICES`; None: not set
    tensorflow: bool = True  # installed
    cuda_of_build: str = ""  # the CUDA version that TensorFlow was built with; empty: the build for CPUs
    missing: tuple[str, ...] = ()  # packages with CUDA's libraries that TensorFlow wants
    seen: tuple[str, ...] | None = None  # GPUs that TensorFlow itself finds; None: it was not asked

    @property
    def has_card(self) -> bool:
        return bool(self.card or self.gpus)


def gather(root: Path = Path("/"), seen: Iterable[str] | None = None) -> GpuFacts:
    """`root`: the folder of /proc, /sys and /dev. `seen`: the GPUs that TensorFlow finds; None: it was not asked."""
    works, told = gpus.ask()
    devices = tuple(sorted(path for path in (root / "dev").glob("nvidia*") if not path.is_dir()))
    build = _build_info()
    found = gpus.installed() if works else []
    return GpuFacts(
        system=platform.system(),
        machine=platform.machine(),
        python=".venv/bin/python" if Path(".venv/bin/python").exists() else "python",
        checkout=Path("Makefile").exists() and Path("launcher").is_dir(),
        card=_on_the_bus(root) or (root / "proc/driver/nvidia/version").exists(),
        container=_in_container(root),
        tool=gpus.tool() is not None,
        tool_says="" if works else " ".join(told.split()),
        devices=tuple(path.name for path in devices),
        denied=tuple(path.name for path in devices if not os.access(path, os.R_OK | os.W_OK)),
        user=_user(),
        gpus=tuple(found),
        programs=tuple(_programs(root)) if found else (),
        visible=os.environ.get("CUDA_VISIBLE_DEVICES"),
        tensorflow=build is not None,
        cuda_of_build=str((build or {}).get("cuda_version", "")),
        missing=tuple(_missing_libraries()) if (build or {}).get("is_cuda_build") else (),
        seen=None if seen is None else tuple(seen),
    )


def _on_the_bus(root: Path) -> bool:
    return any(
        _read(device / "class").startswith(_DISPLAY) and _read(device / "vendor") == _NVIDIA
        for device in (root / "sys/bus/pci/devices").glob("*")
    )


def _in_container(root: Path) -> bool:
    """Docker and Podman leave a file; others can be told by the names of their control groups."""
    if (root / ".dockerenv").exists() or (root / "run/.containerenv").exists():
        return True
    return bool(_IN_CONTAINER.search(_read(root / "proc/1/cgroup")))


def _programs(root: Path) -> Iterable[Program]:
    fields = ("gpu_uuid", "pid", "process_name", "used_memory")
    for uuid, pid, name, used in gpus.table("--query-compute-apps", fields):
        if pid.isdigit():
            yield Program(int(pid), _called(root, int(pid), Path(name).name), gpus.megabytes(used), uuid)


def _called(root: Path, pid: int, name: str) -> str:
    """A program's name; of one in Python also what it runs, where its process can be seen (not from a container)."""
    words = _read(root / "proc" / str(pid) / "cmdline").replace("\0", " ").split()
    if not name.startswith("python") or not words or not Path(words[0]).name.startswith("python"):
        return name
    return " ".join([name, *words[1:5]])


def _build_info() -> dict[str, Any] | None:
    """What TensorFlow says of its build, read without importing it, which takes seconds; None: not installed."""
    spec = importlib.util.find_spec("tensorflow")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        source = _read(Path(folder) / "python/platform/build_info.py")
        # build_info = collections.OrderedDict([...]), written by its build
        literal = re.search(r"OrderedDict\((\[.*\])\)", source, re.DOTALL)
        if literal:
            return dict(ast.literal_eval(literal[1]))
        return {}
    return None


def _missing_libraries() -> Iterable[str]:
    """The packages of TensorFlow's extra `and-cuda` that are not installed."""
    try:
        wanted = importlib.metadata.requires("tensorflow") or []
    except importlib.metadata.PackageNotFoundError:
        return
    for requirement in wanted:
        name = _REQUIREMENT.match(requirement)
        if name and "and-cuda" in requirement:
            try:
                importlib.metadata.version(name[1])
            except importlib.metadata.PackageNotFoundError:
                yield name[1]


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a number without a name, as in a container
        return str(os.getuid())


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8", errors="replace").strip()
    except OSError:
        return ""
