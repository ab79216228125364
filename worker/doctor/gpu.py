"""Why a GPU is not used, and what to do: the ten commonest causes; for others, how to see TensorFlow's own message."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

from worker.doctor.findings import Finding, Level
from worker.doctor.gpu_facts import GpuFacts, Program
from worker.gpus import Gpu, chosen

TOPIC = "gpu"
LEAST_FREE_MB = 2_000
"""MiB that a training should find free: up to 1,170 by `Plan.memory` for what `char` chooses on a GPU, and the rest for
CUDA and cuDNN (docs/gpu.md)."""

# https://docs.nvidia.com/cuda/cuda-toolkit-release-notes, "CUDA Toolkit and Minimum Required Driver Version for CUDA
# Minor Version Compatibility"; of a later 12.x an older driver of the same major version will do.
_LEAST_DRIVER = {12: (525, 60, 13), 13: (580, 65, 6)}
_TOOLKIT = "https://docs.nvidia.com/datacenter/cloud-native/container-toolkit/latest/install-guide.html"
_GPU_SERVICES = "docker compose --profile gpu up -d"
_NEW_DRIVER = ("sudo ubuntu-drivers install", "sudo apt install nvidia-driver", "sudo reboot")


def examine(facts: GpuFacts, *, generate_on_gpu: bool = False) -> list[Finding]:
    """Say that the GPU is used, or each cause why not, the one to mend first at the beginning."""
    if facts.seen:
        told = Finding(TOPIC, Level.OK, f"The GPU is used: {', '.join(facts.seen)}.")
        on_cpu = Finding(
            TOPIC,
            Level.NOTE,
            "Texts are written on the CPU, on purpose: one at a time is faster there, and the training keeps the GPU.",
            "GENERATE_ON_GPU=true moves it.",
        )
        return [told, *_first(facts, _memory), *([] if generate_on_gpu else [on_cpu])]
    if (facts.system, facts.machine) != ("Linux", "x86_64"):
        elsewhere = f"TensorFlow uses a GPU on Linux on x86-64 alone, and this is {facts.system} on {facts.machine}"
        return [Finding(TOPIC, Level.NOTE, f"{elsewhere}: training runs on the CPU.", "docs/gpu.md says more.")]
    if not facts.has_card:
        where = " to be seen from within this container" if facts.container else ""
        none = f"There is no NVIDIA card{where}: training runs on the CPU."
        return [Finding(TOPIC, Level.NOTE, none, "If there is one, docs/gpu.md says more." if where else "")]
    causes = _causes(facts)
    if facts.seen is None:
        return [*causes, *_first(facts, _memory)]
    first, *others = causes or [_unknown(facts)]
    return [replace(first, problem=f"The GPU is not used. {first.problem}"), *others, *_first(facts, _memory)]


def why_unused(facts: GpuFacts) -> Finding | None:
    """The first cause; None: there is no card, or nothing is known against it."""
    return next(iter(_causes(facts)), None) if facts.has_card and not facts.seen else None


def _causes(facts: GpuFacts) -> list[Finding]:
    """The first cause of each kind, in the order in which to mend them."""
    return [
        *_first(facts, _container, _no_driver, _permission, _stale_driver, _dead_driver, _old_driver),
        *_first(facts, _cpu_build, _libraries),
        *_first(facts, _hidden),
    ]


def _first(facts: GpuFacts, *causes: Callable[[GpuFacts], Finding | None]) -> list[Finding]:
    """The first that applies, if any: those after it cannot be judged before it is mended."""
    found = next((found for cause in causes if (found := cause(facts)) is not None), None)
    return [found] if found is not None else []


def _mend(problem: str, remedy: str, *commands: str) -> Finding:
    return Finding(TOPIC, Level.MEND, problem, remedy, commands)


# The driver


def _container(facts: GpuFacts) -> Finding | None:
    if not facts.container or "nvidiactl" in facts.devices:
        return None
    return _mend(
        "The host has an NVIDIA card, but this container was started without it.",
        f"On the host, install the NVIDIA Container Toolkit ({_TOOLKIT}), then start the services with the GPU:",
        _GPU_SERVICES,
    )


def _no_driver(facts: GpuFacts) -> Finding | None:
    if facts.tool:
        return None
    return _mend(
        "There is an NVIDIA card, but no driver for it, or not its tool nvidia-smi.",
        "Install NVIDIA's driver (Ubuntu: the first command; Debian, with non-free packages: the second), and restart.",
        *_NEW_DRIVER,
    )


def _permission(facts: GpuFacts) -> Finding | None:
    refused = re.search(r"insufficient permissions", facts.tool_says, re.IGNORECASE)
    if not refused and (not facts.denied or facts.gpus):
        return None
    files = ", ".join(f"/dev/{name}" for name in facts.denied) or "the card's files in /dev"
    if facts.container:
        remedy = "On the host, let every user open them, which is the driver's default, and restart it:"
        option = "echo 'options nvidia NVreg_DeviceFileMode=0666' | sudo tee /etc/modprobe.d/nvidia-files.conf"
        return _mend(f"The card is there, but this container's user may not open {files}.", remedy, option)
    return _mend(
        f"The card is there, but the user {facts.user} may not open {files}.",
        "Add the user to the group that may (`ls -l /dev/nvidia*` shows it; usually video), then log in anew.",
        f"sudo usermod -aG video {facts.user}",
    )


def _stale_driver(facts: GpuFacts) -> Finding | None:
    if "version mismatch" not in facts.tool_says.lower():
        return None
    return _mend(
        "NVIDIA's driver was updated, but the old one still runs (nvidia-smi: Driver/library version mismatch).",
        "Restart the machine.",
        "sudo reboot",
    )


def _dead_driver(facts: GpuFacts) -> Finding | None:
    if facts.gpus:
        return None
    return _mend(
        "NVIDIA's driver is installed, but does not run, or finds no card that answers"
        + (f'. nvidia-smi says: "{facts.tool_says[:200]}"' if facts.tool_says else "."),
        "Usually the kernel was updated and the driver was not built for it, or Secure Boot refuses it. Restart. "
        "If that does not help, the first command says why; installing the driver anew builds it for this kernel.",
        "sudo modprobe nvidia; sudo dmesg | grep -i nvrm",
        "sudo reboot",
    )


def _old_driver(facts: GpuFacts) -> Finding | None:
    if not facts.cuda_of_build:
        return None
    driver = facts.gpus[0].driver
    least = _LEAST_DRIVER.get(int(facts.cuda_of_build.split(".")[0]))
    if least is None or tuple(map(int, re.findall(r"\d+", driver))) >= least:
        return None
    return _mend(
        f"NVIDIA's driver is too old: it is version {driver}; TensorFlow is built with CUDA {facts.cuda_of_build} and "
        f"needs version {'.'.join(map(str, least))} or later.",
        f"Update the driver{' on the host' if facts.container else ''} (Ubuntu: the first command; Debian: the second; "
        "under WSL: on Windows), and restart.",
        *_NEW_DRIVER,
    )


# What is installed here


def _cpu_build(facts: GpuFacts) -> Finding | None:
    if facts.cuda_of_build or not facts.tensorflow:
        return None
    here = "this image (galvanic-worker) has TensorFlow's build for CPUs"
    return _mend(
        f"There is an NVIDIA card, but {here if facts.container else 'TensorFlow for CPUs alone is installed'}.",
        "Use the image galvanic-worker-gpu:" if facts.container else "Install the build with CUDA (about 4 GB):",
        *_install(facts),
    )


def _libraries(facts: GpuFacts) -> Finding | None:
    if not facts.missing or not facts.tensorflow:
        return None
    named = ", ".join(facts.missing[:3]) + (f" and {len(facts.missing) - 3} more" if len(facts.missing) > 3 else "")
    return _mend(
        f"TensorFlow is built for CUDA, but CUDA's libraries are missing: {named}.", "Install them:", *_install(facts)
    )


def _install(facts: GpuFacts) -> tuple[str, ...]:
    if facts.container:
        return (f"{_GPU_SERVICES} --build",)
    if facts.checkout:
        return ("rm -f .venv/.installed-*; make install WORKER=worker-gpu",)
    pip = f"{facts.python} -m pip"
    return (f"{pip} uninstall --yes tensorflow-cpu", f"{pip} install 'tensorflow[and-cuda]>=2.21,<2.22'")


# The cards, and who has them


def _hidden(facts: GpuFacts) -> Finding | None:
    if facts.visible is None or _chosen(facts) or not (facts.gpus or facts.visible in ("", "-1")):
        return None
    there = f" The cards here are {', '.join(str(gpu.index) for gpu in facts.gpus)}." if len(facts.gpus) > 1 else ""
    return _mend(
        f"CUDA_VISIBLE_DEVICES hides the card: it is set to {facts.visible!r}.{there}",
        "Take it out of your shell, of the service's unit or of Compose's .env, or set it to the card's number.",
        "unset CUDA_VISIBLE_DEVICES",
    )


def _memory(facts: GpuFacts) -> Finding | None:
    """Too little is free on every card, and it is not Galvanic that has the memory."""
    cards = [gpu for gpu in _chosen(facts) if gpu.memory_total_mb]
    if not cards or any(_free(gpu) >= LEAST_FREE_MB for gpu in cards):
        return None
    gpu = max(cards, key=_free)
    programs = sorted((p for p in facts.programs if p.gpu == gpu.uuid), key=lambda p: -p.memory_mb)
    others = [program for program in programs if not _is_ours(program)]
    if programs and not others:
        return None
    room = f"{_gigabytes(_free(gpu))} of {_gigabytes(gpu.memory_total_mb)} GB are free, a training wants about 2"
    if not others:
        return _mend(
            f"The memory of the {gpu.name} is taken: {room}. Which program has it cannot be seen from here.",
            "Look on the host (in a container, or under WSL, nvidia-smi does not tell), and end what is not needed.",
            "nvidia-smi",
        )
    first = others[0]
    has = f" has {_gigabytes(first.memory_mb)} GB of" if first.memory_mb else " has"
    more = f", and {len(others) - 1} more" if len(others) > 1 else ""
    return _mend(
        f"Another program{has} the memory of the {gpu.name}: {first.name} (process {first.pid}){more}; {room}.",
        "End it if it is not needed, or wait until it is done. This shows whose it is, and the second ends it:",
        f"ps -fp {first.pid}",
        f"kill {first.pid}",
    )


def _unknown(facts: GpuFacts) -> Finding:
    return _mend(
        "TensorFlow does not find the card, though driver and libraries seem to be right.",
        "TensorFlow itself says why, in the lines of this command that begin with W or E:",
        f"TF_CPP_MIN_LOG_LEVEL=0 {facts.python} -c \"import tensorflow as tf; tf.config.list_physical_devices('GPU')\"",
    )


def _chosen(facts: GpuFacts) -> list[Gpu]:
    return chosen(list(facts.gpus), facts.visible)


def _is_ours(program: Program) -> bool:
    """Whether it is a worker: a service, or the child of one that does a job."""
    return " worker" in program.name or "billiard" in program.name


def _free(gpu: Gpu) -> int:
    return gpu.memory_total_mb - gpu.memory_used_mb


def _gigabytes(mebibytes: int) -> str:
    return f"{mebibytes / 1024:.1f}"
