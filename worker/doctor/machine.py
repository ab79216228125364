"""The machine itself: Python, memory, disk and the model store."""

from __future__ import annotations

import platform
import shutil
import sys
import tempfile
from pathlib import Path

from galvanic.choices import memory_bytes
from shared.settings import Settings
from shared.units import MEGABYTE
from worker.doctor.findings import Finding, Level
from worker.store import ModelStore

_PYTHONS = (3, 11), (3, 14)
_LITTLE_MEMORY = 2_500 * MEGABYTE
"""Bot, both workers and Redis together took 2.1 GB under load (docs/operations.md)."""
_NEEDED_DISK = 200 * MEGABYTE
"""`make run` refuses to start with less (`launcher.preflight`)."""
_LITTLE_DISK = 2_000 * MEGABYTE
_GIGABYTE = 1_000 * MEGABYTE


def python() -> Finding:
    version = f"Python {platform.python_version()} on {platform.machine()}"
    least, below = _PYTHONS
    if least <= sys.version_info[:2] < below:
        return Finding("python", Level.OK, version)
    return Finding(
        "python",
        Level.BROKEN,
        f"{version}: it must be 3.11, 3.12 or 3.13.",
        "",
        ("make clean install PYTHON=python3.13",),
    )


def memory() -> Finding | None:
    """None where it cannot be found out."""
    found = memory_bytes()
    if found is None:
        return None
    said = f"Memory: {found / _GIGABYTE:.1f} GB"
    if found >= _LITTLE_MEMORY:
        return Finding("memory", Level.OK, said)
    return Finding(
        "memory",
        Level.MEND,
        f"{said}, which is little: the system may kill a worker when it trains and writes at once.",
        "Give it 3 GB, or train small networks (`!train --units 256`) and keep fewer models warm (WARM_MODELS=1).",
    )


def disk(settings: Settings) -> Finding:
    folder = settings.data_dir
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(b"x" * 4096)
        free = shutil.disk_usage(folder).free
    except OSError as error:
        return Finding(
            "disk",
            Level.BROKEN,
            f"The data folder {folder} cannot be written to: {error.strerror or error}.",
            "Give yourself write access to it, or choose another with DATA_DIR=/some/folder.",
            (f"ls -ld {_nearest(folder)}",),
        )
    said = f"Disk: {free / _GIGABYTE:.1f} GB free in the data folder {folder}"
    if free >= _LITTLE_DISK:
        return Finding("disk", Level.OK, said)
    return Finding(
        "disk",
        Level.MEND if free >= _NEEDED_DISK else Level.BROKEN,
        f"{said}. A model takes up to 100 MB, a running training three times as much.",
        "Make room there (`!model delete`), or choose another folder with DATA_DIR=/some/folder.",
        (f"du -sh {folder}/*",),
    )


def store(settings: Settings) -> Finding:
    try:
        models = ModelStore(settings)
        models.check_writable()
    except Exception as error:  # each kind of store has errors of its own
        return _broken_store(settings, error)
    return Finding("store", Level.OK, f"The model store {models.where} can be written to")


def _broken_store(settings: Settings, error: Exception) -> Finding:
    remote = "://" in settings.model_store_url
    commands: tuple[str, ...]
    if isinstance(error, ImportError):
        remedy, commands = "Its package is not installed.", (f"{sys.executable} -m pip install s3fs",)
    elif remote:
        remedy = "Compare MODEL_STORE with the bucket's name, and its access keys with the environment of this process."
        commands = ()
    else:
        remedy = "Give yourself write access to it, or choose another place with MODEL_STORE."
        commands = (f"ls -ld {_nearest(Path(settings.model_store_url))}",)
    said = " ".join(str(error).split())[:200]
    problem = f"The model store cannot be written to ({type(error).__name__}: {said})."
    return Finding("store", Level.BROKEN, problem, remedy, commands)


def _nearest(folder: Path) -> Path:
    return next((path for path in (folder, *folder.parents) if path.exists()), folder)
