"""Why a GPU is not used: each case from its facts, and the facts of machines that stand in."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from worker.cli.doctor import lines, summary
from worker.doctor import Finding, Level, gpu
from worker.doctor.gpu import GpuFacts, Program, gather
from worker.gpus import Gpu

A10G = Gpu(0, "GPU-1", "NVIDIA A10G", 100, 23_028, "550.90.07")
WORKS = GpuFacts(card=True, tool=True, device=True, gpus=(A10G,), cuda_of_build="12.5.1", seen=())
NO_TOOL = replace(WORKS, tool=False, gpus=())
FAILS = replace(NO_TOOL, tool=True)
FULL = replace(WORKS, gpus=(replace(A10G, memory_used_mb=22_528),), seen=("NVIDIA A10G",))
OLD = replace(WORKS, gpus=(replace(A10G, driver="470.82.01"),))

CASES: dict[str, tuple[GpuFacts, str, str]] = {
    "no card": (GpuFacts(seen=()), "There is no NVIDIA card: training runs on the CPU", ""),
    "macOS": (GpuFacts(seen=(), system="Darwin", machine="arm64"), "on Linux on x86-64 alone, and this is Darwin", ""),
    "ARM": (replace(WORKS, machine="aarch64"), "on Linux on x86-64 alone", ""),
    "no driver": (replace(NO_TOOL, device=False), "but no driver for it", "sudo ubuntu-drivers install"),
    "driver does not run": (
        replace(FAILS, tool_says="No devices were found"),
        'is installed, but does not run, or finds no card that answers. nvidia-smi says: "No devices were found"',
        "sudo modprobe nvidia",
    ),
    "driver too old": (OLD, "TensorFlow is built with CUDA 12.5.1 and needs version 525.60.13", "sudo ubuntu-drivers"),
    "container without toolkit": (
        replace(NO_TOOL, container=True, device=False),
        "this container was started without it",
        "docker compose --profile gpu up -d",
    ),
    "image for CPUs": (
        replace(WORKS, container=True, cuda_of_build=""),
        "this image (galvanic-worker) has TensorFlow's build for CPUs",
        "docker compose --profile gpu up -d --build",
    ),
    "build for CPUs": (
        replace(WORKS, cuda_of_build=""),
        "TensorFlow for CPUs alone is installed",
        "rm -f .venv/.installed-*; make install WORKER=worker-gpu",
    ),
    "build for CPUs, without make": (
        replace(WORKS, cuda_of_build="", checkout=False, python="python"),
        "TensorFlow for CPUs alone is installed",
        "python -m pip uninstall --yes tensorflow-cpu",
    ),
    "no CUDA libraries": (
        replace(WORKS, missing=("nvidia-cublas-cu12", "nvidia-cudnn-cu12", "nvidia-nccl-cu12", "nvidia-cufft-cu12")),
        "CUDA's libraries are missing: nvidia-cublas-cu12, nvidia-cudnn-cu12, nvidia-nccl-cu12 and 1 more",
        "rm -f .venv/.installed-*; make install WORKER=worker-gpu",
    ),
    "hidden": (replace(WORKS, visible="-1"), "CUDA_VISIBLE_DEVICES hides the card: it is set to '-1'", "unset CUDA"),
    "another number": (replace(WORKS, visible="3"), "it is set to '3'", "unset CUDA_VISIBLE_DEVICES"),
    "no reason known": (WORKS, "TensorFlow does not find the card", "TF_CPP_MIN_LOG_LEVEL=0 .venv/bin/python"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_the_first_cause_and_what_to_type(case: str) -> None:
    facts, says, command = CASES[case]
    first, *_ = gpu.examine(facts)
    assert says in first.problem
    assert first.level == (Level.MEND if command else Level.NOTE)
    assert first.commands[0].startswith(command) if command else not first.commands
    if command:
        assert first.problem.startswith("The GPU is not used. ")


def test_a_card_that_is_used_is_named_and_texts_stay_on_the_cpu() -> None:
    used, texts = gpu.examine(replace(WORKS, seen=("NVIDIA A10G",)))
    assert (used.level, used.problem) == (Level.OK, "The GPU is used: NVIDIA A10G.")
    assert texts.level == Level.NOTE
    assert "written on the CPU" in texts.problem


def test_who_has_the_memory_is_named() -> None:
    others = (Program(7, "blender", 900, "GPU-1"), Program(4242, "python3 train.py", 21_504, "GPU-1"))
    found = gpu.examine(replace(FULL, programs=others))[1]
    assert found.level == Level.MEND
    assert "21.0 GB of the memory of the NVIDIA A10G: python3 train.py (process 4242), and 1 more;" in found.problem
    assert "0.5 of 22.5 GB are free" in found.problem
    assert found.commands == ("ps -fp 4242", "kill 4242")
    assert "cannot be seen from here" in gpu.examine(FULL)[1].problem
    ours = (Program(5, "python3 -m worker serve train", 22_000, "GPU-1"),)
    assert all(one.level != Level.MEND for one in gpu.examine(replace(FULL, programs=ours)))


def test_memory_that_is_taken_does_not_make_a_card_unused() -> None:
    full = replace(FULL, seen=None)
    assert gpu.why_unused(full) is None
    assert [one.level for one in gpu.examine(full)] == [Level.MEND]


def test_causes_of_different_kinds_are_all_told_the_drivers_first() -> None:
    driver, libraries = gpu.examine(replace(OLD, missing=("nvidia-cudnn-cu12",)))
    assert "too old" in driver.problem
    assert "libraries are missing" in libraries.problem


def test_without_asking_tensorflow_a_machine_that_looks_right_is_believed() -> None:
    assert gpu.examine(replace(WORKS, seen=None)) == []
    assert gpu.why_unused(replace(WORKS, seen=None)) is None
    assert gpu.why_unused(GpuFacts()) is None, "there is no card, so nothing is to be said"


# The gathering


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that stands in for `/`, with an empty folder as PATH."""
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return tmp_path


def write(root: Path, **files: str) -> None:
    for name, text in files.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")


def tool(root: Path, script: str) -> None:
    path = root / "bin" / "nvidia-smi"
    path.write_text(f"#!/bin/sh\n{script}\n", "utf-8")
    path.chmod(0o755)


def test_cards_are_found_on_the_bus_without_any_driver(machine: Path) -> None:
    bus = machine / "sys/bus/pci/devices"
    write(bus / "0000:01:00.1", vendor="0x10de\n", **{"class": "0x040300\n"})  # the sound of its HDMI
    write(bus / "0000:02:00.0", vendor="0x1002\n", **{"class": "0x030000\n"})
    assert not gather(machine).card
    write(bus / "0000:01:00.0", vendor="0x10de\n", **{"class": "0x030200\n"})
    facts = gather(machine, seen=[])
    assert facts.card
    assert not facts.tool
    here = replace(facts, system="Linux", machine="x86_64", container=False)
    assert "no driver for it" in gpu.examine(here)[0].problem


def test_the_driver_its_devices_and_a_container_are_seen(machine: Path) -> None:
    assert not gather(machine).container
    write(machine, proc__driver__nvidia__version="NVRM version: ...", dev__nvidiactl="", **{"run/.containerenv": ""})
    facts = gather(machine)
    assert (facts.card, facts.device, facts.container) == (True, True, True)


@pytest.mark.process
def test_the_tool_is_asked_for_cards_and_programs(machine: Path) -> None:
    tool(
        machine,
        """case "$*" in
*query-gpu*) echo "0, GPU-1, NVIDIA A10G, 22000, 23028, 550.90.07";;
*compute-apps*) echo "GPU-1, 4242, /usr/bin/python3, 21504"; echo "GPU-1, 7, /opt/blender, [N/A]";;
*) echo "| NVIDIA-SMI 550.90.07   Driver Version: 550.90.07   CUDA Version: 12.4 |";;
esac""",
    )
    write(machine, proc__4242__cmdline="/usr/bin/python3.12\0-u\0train.py\0")
    facts = gather(machine)
    assert facts.gpus == (Gpu(0, "GPU-1", "NVIDIA A10G", 22_000, 23_028, "550.90.07"),)
    assert facts.programs == (Program(4242, "python3 -u train.py", 21_504, "GPU-1"), Program(7, "blender", 0, "GPU-1"))


@pytest.mark.parametrize("stream", ["", ">&2"])
@pytest.mark.process
def test_what_a_failing_tool_says_is_kept(stream: str, machine: Path) -> None:
    tool(machine, f"echo 'Failed to initialize NVML: Driver/library version mismatch' {stream}; exit 18")
    facts = gather(machine)
    assert facts.tool
    assert facts.gpus == ()
    assert facts.tool_says == "Failed to initialize NVML: Driver/library version mismatch"


# The telling


def test_a_finding_is_told_with_its_remedy_and_commands_below() -> None:
    found = Finding("gpu", Level.MEND, "It is so. " * 20, "Do this:", ("sudo this", "and that"))
    told = lines([Finding("python", Level.OK, "Python 3"), found], colour=False)
    assert told[0] == "ok       Python 3"
    assert told[1].startswith("mend     It is so.")
    assert told[2].startswith("         It is so.")
    assert told[-3:] == ["         Do this:", "             sudo this", "             and that"]
    assert max(map(len, told)) <= 110
    assert not any("\x1b" in line for line in told)
    assert lines([found], colour=True)[0].startswith("\x1b[33mmend")


def test_the_last_line_sums_up() -> None:
    fine, worse, bad = (Finding("x", level, "") for level in (Level.NOTE, Level.MEND, Level.BROKEN))
    assert summary([fine], "2 cores of AMD EPYC") == "All good: trains on 2 cores of AMD EPYC."
    assert summary([fine, worse], "2 cores") == "1 thing to mend. Until then it trains on 2 cores."
    assert summary([worse, bad], "2 cores") == "2 things to mend; what says BROKEN comes first."
