"""What a worker says of its machine, and how it is given a part of it."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.worker.machines import gpu_machine
from worker import hardware

pytestmark = pytest.mark.process

REPOSITORY = Path(__file__).parents[2]


def test_a_machine_without_a_gpu_names_cores_and_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    said = hardware.describe()
    assert re.fullmatch(r"\d+ cores? of \S.*", said)
    assert not re.search(r"\((R|TM)\)|@", said)
    assert 1 <= hardware.cores() <= (os.cpu_count() or 1)


def describe(environment: dict[str, str]) -> str:
    """What a fresh process says, which has not loaded TensorFlow."""
    code = "from worker import hardware; print(hardware.describe())"
    command = [sys.executable, "-c", code]
    return subprocess.run(
        command, capture_output=True, text=True, check=True, cwd=REPOSITORY, env=os.environ | environment
    ).stdout.strip()


def test_the_tool_that_knows_the_gpus_is_asked(tmp_path: Path) -> None:
    """The program on PATH and the packages of TensorFlow's CUDA build are stand-ins."""
    machine = gpu_machine(tmp_path, "NVIDIA A10G")
    assert describe(machine) == "NVIDIA A10G"
    assert " of " in describe(machine | {"CUDA_VISIBLE_DEVICES": ""})
    assert " of " in describe({"PATH": machine["PATH"]}), "TensorFlow's build is the one for CPUs"
    (tmp_path / "bin" / "nvidia-smi").write_text("#!/bin/sh\nexit 9\n", "utf-8")
    assert " of " in describe(machine)


def test_several_gpus_are_counted() -> None:
    said = [hardware.named(names) for names in ([], ["T4"], ["T4", "T4"], ["A10G", "T4"])]
    assert said == ["", "T4", "2 GPUs: T4", "2 GPUs: A10G, T4"]


@pytest.mark.parametrize(("which", "names"), [("1", ["T4"]), ("GPU-0002", ["T4"]), ("2", []), ("", []), ("-1", [])])
def test_gpus_are_chosen_by_number_or_uuid(
    which: str, names: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", gpu_machine(tmp_path, "A10G", "T4")["PATH"])
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", which)
    assert [gpu.name for gpu in hardware.visible()] == names
