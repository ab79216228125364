"""Why a GPU is not used, and what to do: the commonest causes; for others, how to see TensorFlow's own message."""

from __future__ import annotations

import re
from dataclasses import replace

from worker.doctor import Finding, Level
from worker.doctor.gpu_facts import GpuFacts
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


def examine(facts: GpuFacts, *, generate_on_gpu: bool = False) -> list[Finding]:
    """Say that the GPU is used, or each cause why not, the one to mend first at the beginning."""
    memory = [found for found in [_memory(facts)] if found]
    if facts.seen:
        told = Finding(TOPIC, Level.OK, f"The GPU is used: {', '.join(facts.seen)}.")
        on_cpu = Finding(
            TOPIC,
            Level.NOTE,
            "Texts are written on the CPU, on purpose: one at a time is faster there, and the training keeps the GPU.",
            "GENERATE_ON_GPU=true moves it.",
        )
        return [told, *memory, *([] if generate_on_gpu else [on_cpu])]
    if (facts.system, facts.machine) != ("Linux", "x86_64"):
        elsewhere = f"TensorFlow uses a GPU on Linux on x86-64 alone, and this is {facts.system} on {facts.machine}"
        return [Finding(TOPIC, Level.NOTE, f"{elsewhere}: training runs on the CPU.", "docs/gpu.md says more.")]
    if not facts.card:
        where = " to be seen from within this container" if facts.container else ""
        none = f"There is no NVIDIA card{where}: training runs on the CPU."
        return [Finding(TOPIC, Level.NOTE, none, "If there is one, docs/gpu.md says more." if where else "")]
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
    gpu = max((gpu for gpu in _chosen(facts) if gpu.memory_total_mb), key=_free, default=None)
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


def _chosen(facts: GpuFacts) -> list[Gpu]:
    return chosen(list(facts.gpus), facts.visible)


def _free(gpu: Gpu) -> int:
    return gpu.memory_total_mb - gpu.memory_used_mb
