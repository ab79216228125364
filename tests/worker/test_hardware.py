"""What a worker says of its machine."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest

from worker import hardware


def test_a_machine_without_a_gpu_names_cores_and_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    said = hardware.describe()
    assert re.fullmatch(r"\d+ cores? of \S.*", said)
    assert not re.search(r"\((R|TM)\)|@", said)
    assert 1 <= hardware.cores() <= (os.cpu_count() or 1)


@pytest.mark.skipif(sys.platform == "win32", reason="the stand-in is a shell script")
def test_the_tool_that_knows_the_gpus_is_asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The program on PATH is a stand-in: no machine of the tests has a GPU."""
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho '0, GPU-1, NVIDIA A10G, 1, 23028, 580.1'\n", "utf-8")
    tool.chmod(0o755)
    (tmp_path / "nvidia").mkdir()
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    assert hardware.describe() == "NVIDIA A10G"
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert " of " in hardware.describe()
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    tool.write_text("#!/bin/sh\nexit 9\n", "utf-8")
    assert " of " in hardware.describe()
