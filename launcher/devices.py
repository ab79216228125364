"""What trainings can run on here, so that each train worker gets its own: asked of the worker, which knows."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass

from shared.settings import Settings

_ASK_S = 60
_TOOLS = ("nvidia-smi", "/usr/lib/wsl/lib/nvidia-smi")


@dataclass(frozen=True)
class Devices:
    """What there is.

    Attributes:
        gpus: UUIDs of those that TensorFlow can use.
        cores: of the processor.
    """

    gpus: tuple[str, ...] = ()
    cores: int = 1


def worker_options(settings: Settings, say: Callable[[str], None]) -> list[tuple[str, ...]]:
    """The options of each train worker that is to be started: one for each GPU, or as many as the settings say.

    More workers than GPUs take turns on them; where there is none, each gets its share of the cores.

    Args:
        settings: as the operator made them.
        say: takes remarks for the person.
    """
    wanted = settings.train_workers
    if wanted == 1 or (wanted is None and not any(map(shutil.which, _TOOLS))):
        return [()]
    there = _ask()
    count = wanted or max(1, len(there.gpus))
    if count == 1:
        return [()]
    if there.gpus:
        say(f"{count} train workers on {len(there.gpus)} GPU{'' if len(there.gpus) == 1 else 's'}")
        return [("--gpu", there.gpus[number % len(there.gpus)]) for number in range(count)]
    each = max(1, there.cores // count)
    say(f"{count} train workers, {each} core{'' if each == 1 else 's'} each")
    return [("--cores", str(each))] * count


def _ask() -> Devices:
    """Ask the worker's command line; nothing is known when it fails, and one train worker will do."""
    command = [sys.executable, "-m", "worker", "devices", "--json"]
    try:
        told = subprocess.run(command, capture_output=True, text=True, timeout=_ASK_S, check=True).stdout
        values = json.loads(told.splitlines()[-1])
        return Devices(tuple(gpu["uuid"] for gpu in values["gpus"]), int(values["cores"]))
    except (OSError, subprocess.SubprocessError, ValueError, LookupError):
        return Devices()
