"""Machines with NVIDIA's cards, as far as they can be had: its tool, and the packages of TensorFlow's CUDA build."""

import os
from pathlib import Path


def gpu_machine(folder: Path, *cards: str, used: int = 1) -> dict[str, str]:
    """Return the environment of a process that finds these cards, and TensorFlow's build for them.

    `used`: MiB of each card's memory.
    """
    rows = [f"{n}, GPU-000{n + 1}-x, {card}, {used}, 23028, 550.90.07" for n, card in enumerate(cards)]
    tool = folder / "bin" / "nvidia-smi"
    tool.parent.mkdir(parents=True, exist_ok=True)
    tool.write_text("#!/bin/sh\n" + "\n".join(f"echo '{row}'" for row in rows), "utf-8")
    tool.chmod(0o755)
    for package in ("tensorflow", "nvidia_cudnn_cu12"):
        about = folder / "site" / f"{package}-1.dist-info" / "METADATA"
        about.parent.mkdir(parents=True, exist_ok=True)
        about.write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1\n", "utf-8")
    return {"PATH": f"{tool.parent}:{os.environ['PATH']}", "PYTHONPATH": str(folder / "site")}
