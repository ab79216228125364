"""Why a GPU is not used, and what to do: what can be found out without TensorFlow, and then what that means.

The commonest causes are known; for others it is said how to see TensorFlow's own message.
"""

from __future__ import annotations

import ast
import contextlib
import importlib.metadata
import importlib.util
import os
import platform
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from worker import gpus
from worker.doctor import Finding, Level
from worker.gpus import Gpu, chosen

TOPIC = "gpu"
LEAST_FREE_MB = 2_000
"""MiB that a training should find free: up to 1,170 by `Plan.memory` for what `char` chooses on a GPU, and the rest for
CUDA and cuDNN (docs/gpu.md)."""

# https://docs.nvidia.com/cuda/cuda-toolkit-release-notes, "CUDA Toolkit and Minimum Required Driver Version for CUDA
# Minor Version Compatibility"; of a later 12.x an older driver of the same major version will do.
_LEAST_DRIVER = {"12": (525, 60, 13), "13": (580, 65, 6)}
_TOOLKIT = "https://docs.nvidia.com/datacenter/cloud-native/container-toolkit/latest/install-guide.html"
_GPU_SERVICES = "docker compose --profile gpu up -d"
_NEW_DRIVER = ("sudo ubuntu-drivers install", "sudo apt install nvidia-driver", "sudo reboot")

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

    @property
    def chosen_gpus(self) -> list[Gpu]:
        return chosen(list(self.gpus), self.visible)


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
        read(device / "class").startswith(_DISPLAY) and read(device / "vendor") == _NVIDIA
        for device in (root / "sys/bus/pci/devices").glob("*")
    )


def _programs(root: Path) -> Iterable[Program]:
    fields = ("gpu_uuid", "pid", "process_name", "used_memory")
    for uuid, pid, name, used in gpus.table("--query-compute-apps", fields):
        if pid.isdigit():
            # Of one in Python its name says nothing; what it runs can be seen, but not from a container.
            words = read(root / "proc" / pid / "cmdline").replace("\0", " ").split() if "python" in name else []
            yield Program(int(pid), " ".join([Path(name).name, *words[1:5]]), gpus.megabytes(used), uuid)


def _build_info() -> dict[str, Any] | None:
    """What TensorFlow says of its build, read without importing it, which takes seconds; None: not installed."""
    spec = importlib.util.find_spec("tensorflow")
    if spec is None or not spec.submodule_search_locations:
        return None
    source = read(Path(spec.submodule_search_locations[0]) / "python/platform/build_info.py")
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


def read(path: Path) -> str:
    """Empty where it cannot be read."""
    try:
        return path.read_text("utf-8", errors="replace").strip()
    except OSError:
        return ""


def examine(facts: GpuFacts) -> list[Finding]:
    """Say that the GPU is used, or each cause why not, the one to mend first at the beginning."""
    memory = [found for found in [_memory(facts)] if found]
    if facts.seen:
        return [
            Finding(TOPIC, Level.OK, f"The GPU is used: {', '.join(facts.seen)}."),
            *memory,
            Finding(
                TOPIC,
                Level.NOTE,
                "Texts are written on the CPU, on purpose: one at a time is faster there, and the training keeps the "
                "GPU.",
            ),
        ]
    if (facts.system, facts.machine) != ("Linux", "x86_64"):
        return [
            Finding(
                TOPIC,
                Level.NOTE,
                f"TensorFlow uses a GPU on Linux on x86-64 alone, and this is {facts.system} on {facts.machine}: "
                "training runs on the CPU.",
                "docs/gpu.md says more.",
            )
        ]
    if not facts.card:
        where = " to be seen from within this container" if facts.container else ""
        return [
            Finding(
                TOPIC,
                Level.NOTE,
                f"There is no NVIDIA card{where}: training runs on the CPU.",
                "If there is one, docs/gpu.md says more." if where else "",
            )
        ]
    causes = _causes(facts)
    if facts.seen is None:
        return [*causes, *memory]
    first, *others = causes or [_unknown(facts)]
    return [replace(first, problem=f"The GPU is not used. {first.problem}"), *others, *memory]


def why_unused(facts: GpuFacts) -> Finding | None:
    """The first cause; None: there is no card, or nothing is known against it."""
    return next(iter(_causes(facts)), None) if facts.card and not facts.seen else None


def _causes(facts: GpuFacts) -> list[Finding]:
    """The first cause of each kind, in the order in which to mend them: others of it cannot be judged before."""
    return [found for found in (_driver(facts), _installation(facts), _hidden(facts)) if found]


def _mend(problem: str, remedy: str, *commands: str) -> Finding:
    return Finding(TOPIC, Level.MEND, problem, remedy, commands)


def _driver(facts: GpuFacts) -> Finding | None:
    if facts.container and not facts.device:
        return _mend(
            "The host has an NVIDIA card, but this container was started without it.",
            f"On the host, install the NVIDIA Container Toolkit ({_TOOLKIT}), then start the services with the GPU:",
            _GPU_SERVICES,
        )
    if not facts.tool:
        return _mend(
            "There is an NVIDIA card, but no driver for it, or not its tool nvidia-smi.",
            "Install NVIDIA's driver (Ubuntu: the first command; Debian, with non-free packages: the second), and "
            "restart.",
            *_NEW_DRIVER,
        )
    if not facts.gpus:
        return _mend(
            "NVIDIA's driver is installed, but does not run, or finds no card that answers"
            + (f'. nvidia-smi says: "{facts.tool_says[:200]}"' if facts.tool_says else "."),
            "Usually driver or kernel were updated, or Secure Boot refuses the driver. Restart. If that does not help, "
            "the first command says why; installing the driver anew builds it for this kernel.",
            "sudo modprobe nvidia; sudo dmesg | grep -i nvrm",
            "sudo reboot",
        )
    driver, least = facts.gpus[0].driver, _LEAST_DRIVER.get(facts.cuda_of_build.split(".")[0], ())
    if tuple(map(int, re.findall(r"\d+", driver))) < least:
        return _mend(
            f"NVIDIA's driver is too old: it is version {driver}; TensorFlow is built with CUDA {facts.cuda_of_build} "
            f"and needs version {'.'.join(map(str, least))} or later.",
            f"Update the driver{' on the host' if facts.container else ''} (Ubuntu: the first command; Debian: the "
            "second; under WSL: on Windows), and restart.",
            *_NEW_DRIVER,
        )
    return None


def _installation(facts: GpuFacts) -> Finding | None:
    if facts.container:
        install: tuple[str, ...] = (f"{_GPU_SERVICES} --build",)
    elif facts.checkout:
        install = ("rm -f .venv/.installed-*; make install WORKER=worker-gpu",)
    else:
        pip = f"{facts.python} -m pip"
        install = (f"{pip} uninstall --yes tensorflow-cpu", f"{pip} install 'tensorflow[and-cuda]>=2.21,<2.22'")
    if facts.tensorflow and not facts.cuda_of_build:
        here = "this image (galvanic-worker) has TensorFlow's build for CPUs"
        return _mend(
            f"There is an NVIDIA card, but {here if facts.container else 'TensorFlow for CPUs alone is installed'}.",
            "Use the image galvanic-worker-gpu:" if facts.container else "Install the build with CUDA (about 4 GB):",
            *install,
        )
    if facts.missing:
        named = ", ".join(facts.missing[:3]) + (f" and {len(facts.missing) - 3} more" if facts.missing[3:] else "")
        return _mend(
            f"TensorFlow is built for CUDA, but CUDA's libraries are missing: {named}.", "Install them:", *install
        )
    return None


def _hidden(facts: GpuFacts) -> Finding | None:
    if facts.visible is None or facts.chosen_gpus or not (facts.gpus or facts.visible in ("", "-1")):
        return None
    there = f" The cards here are {', '.join(str(gpu.index) for gpu in facts.gpus)}." if len(facts.gpus) > 1 else ""
    return _mend(
        f"CUDA_VISIBLE_DEVICES hides the card: it is set to {facts.visible!r}.{there}",
        "Take it out of your shell, of the service's unit or of Compose's .env, or set it to the card's number.",
        "unset CUDA_VISIBLE_DEVICES",
    )


def _memory(facts: GpuFacts) -> Finding | None:
    """Too little is free on every card, and it is not Galvanic that has the memory."""
    gpu = max((gpu for gpu in facts.chosen_gpus if gpu.memory_total_mb), key=_free, default=None)
    if gpu is None or _free(gpu) >= LEAST_FREE_MB:
        return None
    programs = sorted((one for one in facts.programs if one.gpu == gpu.uuid), key=lambda one: -one.memory_mb)
    # A worker is a service, or the child of one that does a job.
    others = [one for one in programs if " worker" not in one.name and "billiard" not in one.name]
    room = f"{_free(gpu) / 1024:.1f} of {gpu.memory_total_mb / 1024:.1f} GB are free, a training wants about 2"
    if others:
        first = others[0]
        has = f" has {first.memory_mb / 1024:.1f} GB of" if first.memory_mb else " has"
        more = f", and {len(others) - 1} more" if len(others) > 1 else ""
        return _mend(
            f"Another program{has} the memory of the {gpu.name}: {first.name} (process {first.pid}){more}; {room}.",
            "End it if it is not needed, or wait until it is done. This shows whose it is, and the second ends it:",
            f"ps -fp {first.pid}",
            f"kill {first.pid}",
        )
    if programs:
        return None
    return _mend(
        f"The memory of the {gpu.name} is taken: {room}. Which program has it cannot be seen from here.",
        "Look on the host (in a container, or under WSL, nvidia-smi does not tell), and end what is not needed.",
        "nvidia-smi",
    )


def _unknown(facts: GpuFacts) -> Finding:
    return _mend(
        "TensorFlow does not find the card, though driver and libraries seem to be right.",
        "TensorFlow itself says why, in the lines of this command that begin with W or E:",
        f"TF_CPP_MIN_LOG_LEVEL=0 {facts.python} -c \"import tensorflow as tf; tf.config.list_physical_devices('GPU')\"",
    )


def _free(gpu: Gpu) -> int:
    return gpu.memory_total_mb - gpu.memory_used_mb
