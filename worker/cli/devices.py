"""`devices`: the GPUs that TensorFlow can use, by the numbers that `serve --gpu` takes, and the cores."""

from __future__ import annotations

import argparse

from galvanic.cli.base import report
from worker import hardware


def devices(options: argparse.Namespace) -> int:
    gpus = hardware.usable_gpus()
    lines = [f"GPU {gpu.index}  {gpu.name}, {gpu.memory_total_mb / 1024:.0f} GB  {gpu.uuid}" for gpu in gpus]
    values = {
        "gpus": [{"index": gpu.index, "uuid": gpu.uuid, "name": gpu.name} for gpu in gpus],
        "cores": hardware.cores(),
    }
    report(options.json, values, lines or [f"No GPU that TensorFlow can use; {hardware.on_cpu()}."])
    return 0
