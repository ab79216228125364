"""Why a GPU is not used, and what to do: from facts to findings, the first cause first."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

from worker.doctor.findings import Finding, Level
from worker.doctor.gpu_facts import GpuFacts, Program
from worker.gpus import Gpu, chosen

TOPIC = "gpu"
GUIDE = "docs/gpu.md says more."
LEAST_FREE_MB = 2_000
"""MiB that a training should find free: up to 1,170 by `Plan.memory` for what `char` chooses on a GPU, and the rest for
CUDA and cuDNN (docs/gpu.md)."""

# https://docs.nvidia.com/cuda/cuda-toolkit-release-notes, "CUDA Toolkit and Minimum Required Driver Version for CUDA
# Minor Version Compatibility"; of a later 12.x an older driver of the same major version will do. The numbers for
# CUDA 12 are those of https://www.tensorflow.org/install/pip, too. WSL's are those of the driver for Windows.
_LEAST_DRIVER = {12: (525, 60, 13), 13: (580, 65, 6)}
_LEAST_DRIVER_WSL = {12: (528, 33), 13: (580, 65)}
_TOOLKIT = "https://docs.nvidia.com/datacenter/cloud-native/container-toolkit/latest/install-guide.html"
_NOTHING_LOST = "Training runs on the CPU."


def examine(facts: GpuFacts, *, generate_on_gpu: bool = False) -> list[Finding]:
    """What is to be said of the GPU: that it is used, or each cause why not, the one to mend first at the beginning.

    Args:
        facts: as they were gathered.
        generate_on_gpu: the setting.
    """
    if facts.seen:
        told = Finding(TOPIC, Level.OK, f"The GPU is used: {', '.join(facts.seen)}.")
        on_cpu = Finding(
            TOPIC,
            Level.NOTE,
            "Texts are written on the CPU, on purpose: one at a time is faster there, and the training keeps the GPU.",
            "GENERATE_ON_GPU=true moves it.",
        )
        return [told, *_first(facts, _memory), *([] if generate_on_gpu else [on_cpu])]
    if not facts.has_card:
        return [_no_card(facts)]
    causes = _causes(facts)
    if facts.seen is None:
        return [*causes, *_first(facts, _memory)]
    first, *others = causes or [_unknown(facts)]
    return [replace(first, problem=f"The GPU is not used. {first.problem}"), *others, *_first(facts, _memory)]


def why_unused(facts: GpuFacts) -> Finding | None:
    """The first cause why a card that is there is not used; None: there is no card, or nothing speaks against it."""
    return next(iter(_causes(facts)), None) if facts.has_card and not facts.seen else None


def _causes(facts: GpuFacts) -> list[Finding]:
    """Why a card that is there cannot be used: the first cause of each kind, in the order in which to mend them."""
    if (elsewhere := _platform(facts)) is not None:
        return [elsewhere]
    return [
        *_first(facts, _container, _wsl, _no_driver, _permission, _tool_fails, _old_driver),
        *_first(facts, _cpu_build, _libraries),
        *_first(facts, _capability, _hidden),
    ]


def _first(facts: GpuFacts, *causes: Callable[[GpuFacts], Finding | None]) -> list[Finding]:
    """The first that applies, in a list: what comes after it in a chain cannot be judged before it is mended."""
    return [found for cause in causes if (found := cause(facts)) is not None][:1]


def _mend(problem: str, remedy: str, *commands: str) -> Finding:
    return Finding(TOPIC, Level.MEND, problem, remedy, commands)


# No card


def _no_card(facts: GpuFacts) -> Finding:
    problem, remedy = f"There is no NVIDIA card: {_lower(_NOTHING_LOST)}", ""
    if facts.system == "Darwin":
        problem = f"TensorFlow uses no GPU on macOS: {_lower(_NOTHING_LOST)}"
    elif facts.system == "Windows":
        problem, remedy = "TensorFlow uses no GPU on Windows itself.", f"Run Galvanic within WSL. {GUIDE}"
    elif facts.wsl:
        problem = f"Windows shows WSL no NVIDIA card: {_lower(_NOTHING_LOST)}"
        remedy = f"If there is one, install NVIDIA's driver on Windows (not in Linux) and update WSL. {GUIDE}"
        return Finding(TOPIC, Level.NOTE, problem, remedy, ("wsl.exe --update", "wsl.exe --shutdown"))
    elif facts.container:
        problem = f"No NVIDIA card can be seen from within this container: {_lower(_NOTHING_LOST)}"
        remedy = f"If the host has one, start the services with it. {GUIDE}"
    elif facts.amd:
        problem = f"The card is AMD's, which TensorFlow's packages do not use: {_lower(_NOTHING_LOST)}"
    return Finding(TOPIC, Level.NOTE, problem, remedy)


def _platform(facts: GpuFacts) -> Finding | None:
    if facts.system == "Linux" and facts.machine in ("x86_64", "AMD64"):
        return None
    return Finding(
        TOPIC,
        Level.NOTE,
        f"There is an NVIDIA card, but TensorFlow's packages for CUDA exist for Linux on x86-64 only; this is "
        f"{facts.system} on {facts.machine}. {_NOTHING_LOST}",
        "A train worker on another host can use its GPU: it shares Redis and the model store with the bot, no more.",
    )


# The driver


def _container(facts: GpuFacts) -> Finding | None:
    if not facts.container or "nvidiactl" in facts.devices or facts.wsl:
        return None
    return _mend(
        "The host has an NVIDIA card, but this container was started without it.",
        f"On the host, install the NVIDIA Container Toolkit ({_TOOLKIT}), then start the services with the GPU:",
        "docker compose --profile gpu up -d",
    )


def _wsl(facts: GpuFacts) -> Finding | None:
    if not facts.wsl or facts.wsl_cuda:
        return None
    return _mend(
        "Windows offers WSL a GPU, but its NVIDIA driver's part for WSL is missing (/usr/lib/wsl/lib/libcuda.so.1).",
        "Install NVIDIA's driver on Windows, not in Linux: https://www.nvidia.com/drivers. Then in PowerShell:",
        "wsl --update",
        "wsl --shutdown",
    )


def _no_driver(facts: GpuFacts) -> Finding | None:
    if facts.tool:
        return None
    if facts.module and facts.container:
        return _mend(
            "This container has the card, but not NVIDIA's tool nvidia-smi, which says what the card is.",
            "Start it with NVIDIA_DRIVER_CAPABILITIES=compute,utility, as Galvanic's Compose file does.",
            "docker compose --profile gpu up -d",
        )
    if facts.module:
        return _mend(
            f"NVIDIA's driver {facts.module} is loaded, but its tool nvidia-smi, which tells of the card, is missing.",
            "Install it: on Ubuntu with the first of these, on Debian with the second.",
            f"sudo apt install nvidia-utils-{facts.module.split('.')[0]}",
            "sudo apt install nvidia-smi",
        )
    if facts.wsl:
        return None  # CUDA works there without the tool
    return _mend(
        "There is an NVIDIA card, but no driver for it.",
        "Install NVIDIA's driver (Ubuntu: the first command; Debian, with non-free packages: the second), and restart.",
        "sudo ubuntu-drivers install",
        "sudo apt install nvidia-driver",
        "sudo reboot",
    )


def _permission(facts: GpuFacts) -> Finding | None:
    refused = re.search(r"insufficient permissions", facts.tool_says, re.IGNORECASE)
    if not refused and (not facts.denied or facts.gpus):
        return None
    files = ", ".join(f"/dev/{name}" for name in facts.denied) or "the card's files in /dev"
    if facts.container:
        return _mend(
            f"The card is there, but this container's user may not open {files}.",
            "On the host, let every user open them, which is the driver's default, and restart it:",
            "echo 'options nvidia NVreg_DeviceFileMode=0666' | sudo tee /etc/modprobe.d/nvidia-files.conf",
            "sudo reboot",
        )
    return _mend(
        f"The card is there, but the user {facts.user} may not open {files}.",
        "Add the user to the group that may (`ls -l /dev/nvidia*` shows it; usually video), then log in anew.",
        f"sudo usermod -aG video {facts.user}",
    )


def _tool_fails(facts: GpuFacts) -> Finding | None:
    if not facts.tool or facts.gpus:
        return None
    said = facts.tool_says
    if "version mismatch" in said.lower():
        return _mend(
            "NVIDIA's driver was updated, but the old one still runs (nvidia-smi: Driver/library version mismatch).",
            "Restart the machine.",
            "sudo reboot",
        )
    if "communicate with the nvidia driver" in said.lower() or "driver not loaded" in said.lower():
        return _mend(
            "NVIDIA's driver is installed, but does not run (nvidia-smi cannot communicate with it).",
            "Usually the kernel was updated and the driver was not built for it, or Secure Boot refuses it. Restart. "
            "If that does not help, the first command says why; installing the driver anew builds it for this kernel.",
            "sudo modprobe nvidia",
            "sudo reboot",
        )
    if not said or "no devices were found" in said.lower():
        return _mend(
            "NVIDIA's driver runs, but finds no card that answers.",
            "Restart the machine. If that does not help, see that the card has its power cables and sits firmly; the "
            "driver's complaints are in the kernel's log.",
            "sudo dmesg | grep -i nvrm",
        )
    return _mend(
        f'NVIDIA\'s tool fails. It says: "{said[:200]}"',
        "Restart the machine; if that does not help, install the driver anew.",
        "nvidia-smi",
    )


def _old_driver(facts: GpuFacts) -> Finding | None:
    if not facts.gpus or not facts.cuda_of_build:
        return None
    major = int(facts.cuda_of_build.split(".")[0])
    least = (_LEAST_DRIVER_WSL if facts.wsl else _LEAST_DRIVER).get(major)
    driver = facts.gpus[0].driver
    behind = facts.cuda_of_driver is not None and facts.cuda_of_driver[0] < major
    if not behind and (least is None or _version(driver) >= least):
        return None
    needed = f"version {'.'.join(map(str, least))} or later" if least else "a newer one"
    knows = f", which knows CUDA up to {'.'.join(map(str, facts.cuda_of_driver))}" if facts.cuda_of_driver else ""
    problem = (
        f"NVIDIA's driver is too old: it is version {driver}{knows}; TensorFlow is built with CUDA "
        f"{facts.cuda_of_build} and needs {needed}."
    )
    if facts.wsl:
        return _mend(
            problem, "Update NVIDIA's driver on Windows (https://www.nvidia.com/drivers), then:", "wsl --shutdown"
        )
    return _mend(
        problem,
        f"Update the driver {'on the host' if facts.container else ''}".strip()
        + " (Ubuntu: the first command; Debian: the second), and restart.",
        "sudo ubuntu-drivers install",
        "sudo apt install nvidia-driver",
        "sudo reboot",
    )


# What is installed here


def _cpu_build(facts: GpuFacts) -> Finding | None:
    if facts.cuda_of_build or not facts.tensorflow:
        return None
    if facts.container:
        return _mend(
            "There is an NVIDIA card, but this image has TensorFlow's build for CPUs (galvanic-worker).",
            "Use the image galvanic-worker-gpu:",
            *_install(facts),
        )
    return _mend(
        "There is an NVIDIA card, but TensorFlow's build for CPUs is installed.",
        "Install the build with CUDA (a download of about 4 GB):",
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
    """Commands that bring TensorFlow with CUDA."""
    if facts.container:
        return ("docker compose --profile gpu up -d --build",)
    if facts.checkout:
        return ("rm -f .venv/.installed-*; make install WORKER=worker-gpu",)
    pip = f"{facts.python} -m pip"
    return (f"{pip} uninstall --yes tensorflow-cpu", f"{pip} install 'tensorflow[and-cuda]>=2.21,<2.22'")


# The cards, and who has them


def _capability(facts: GpuFacts) -> Finding | None:
    least = min((_capability_of(name) for name in facts.built_for), default=None)
    able = dict(facts.capabilities)
    cards = [(gpu, _version(able.get(gpu.uuid, ""))) for gpu in _chosen(facts)]
    if least is None or not cards or any(not can or can >= least for _, can in cards):
        return None
    gpu, can = cards[0]
    return Finding(
        TOPIC,
        Level.NOTE,
        f"The {gpu.name} is too old for this build of TensorFlow: its compute capability is {_dotted(can)}, and the "
        f"build needs {_dotted(least)} or more. {_NOTHING_LOST}",
        "Only another card helps; cards since the GeForce 10 series and Tesla P100 will do.",
    )


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
    """Too little is free on each card, and not because of Galvanic itself."""
    cards = [gpu for gpu in _chosen(facts) if gpu.memory_total_mb]
    if not cards or any(_free(gpu) >= LEAST_FREE_MB for gpu in cards):
        return None
    gpu = max(cards, key=_free)
    programs = sorted((p for p in facts.programs if p.gpu == gpu.uuid), key=lambda p: -p.memory_mb)
    if programs and all(_is_ours(program) for program in programs):
        return None
    others = [program for program in programs if not _is_ours(program)]
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
    commands = [
        f"TF_CPP_MIN_LOG_LEVEL=0 {facts.python} -c \"import tensorflow as tf; tf.config.list_physical_devices('GPU')\""
    ]
    if facts.devices and "nvidia-uvm" not in facts.devices and not facts.container:
        commands.insert(0, "sudo modprobe nvidia-uvm")
    return _mend(
        "TensorFlow does not find the card, though driver and libraries seem to be right.",
        "TensorFlow itself says why, in the lines of this command that begin with W or E:"
        if len(commands) == 1
        else "A part of the driver is not loaded: the first command loads it. If that does not help, TensorFlow itself "
        "says why, in the lines of the second that begin with W or E:",
        *commands,
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


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", text))


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


def _capability_of(name: str) -> tuple[int, ...]:
    """`sm_60` is 6.0, `compute_120` 12.0."""
    digits = re.sub(r"\D", "", name)
    return int(digits[:-1] or 0), int(digits[-1:] or 0)


def _lower(sentence: str) -> str:
    return sentence[0].lower() + sentence[1:]
