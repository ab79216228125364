"""Machines with NVIDIA's cards, as far as they can be had: its tool, and TensorFlow's record of its build."""

from __future__ import annotations

import os
from pathlib import Path

_TOOL = """#!/bin/sh
case "$*" in
*query-gpu*) {cards};;
*compute-apps*) ;;
*) echo "| NVIDIA-SMI {driver}   Driver Version: {driver}   CUDA Version: {cuda} |";;
esac
"""
_BUILD = """build_info = collections.OrderedDict([('cuda_compute_capabilities', ['sm_60', 'compute_90']),
    ('cuda_version', '12.5.1'), ('is_cuda_build', True)])"""


def gpu_machine(folder: Path, *cards: str, driver: str = "550.90.07") -> dict[str, str]:
    """The environment of a process that finds these cards, and TensorFlow's build for them.

    Such a process cannot use TensorFlow; it is enough for all that goes on before it is imported.
    """
    tool, build = (
        folder / "bin" / "nvidia-smi",
        folder / "site" / "tensorflow" / "python" / "platform" / "build_info.py",
    )
    for path in (tool, build):
        path.parent.mkdir(parents=True, exist_ok=True)
    numbers = range(1, len(cards) + 1)
    rows = [f"{n - 1}, GPU-000{n}-x, {card}, 1, 23028, {driver}" for n, card in zip(numbers, cards, strict=True)]
    tool.write_text(
        _TOOL.format(
            cards="; ".join(f"echo '{row}'" for row in rows), driver=driver, cuda="12.4" if driver > "525" else "11.4"
        ),
        "utf-8",
    )
    tool.chmod(0o755)
    build.write_text(_BUILD, "utf-8")
    (folder / "site" / "tensorflow" / "__init__.py").touch()
    (folder / "site" / "tensorflow-2.21.0.dist-info").mkdir(exist_ok=True)
    (folder / "site" / "tensorflow-2.21.0.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: tensorflow\nVersion: 2.21.0\n", "utf-8"
    )
    return {"PATH": f"{tool.parent}:{os.environ['PATH']}", "PYTHONPATH": str(folder / "site")}
