"""The machine itself: what writes texts, memory, disk and the model store."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from galvanic.errors import UserError
from galvanic.plan import memory_bytes
from galvanic.units import MEGABYTE
from shared.settings import Settings
from worker.doctor import Finding, Level
from worker.store import ModelStore

_LITTLE_MEMORY = 2_500 * MEGABYTE
"""Bot, both workers and Redis together took 2.1 GB under load (docs/operations.md)."""
_NEEDED_DISK = 200 * MEGABYTE
"""`make run` refuses to start with less (`launcher.preflight`)."""
_LITTLE_DISK = 2_000 * MEGABYTE
_GIGABYTE = 1_000 * MEGABYTE


def writing() -> Finding:
    """Whether what writes texts can be compiled, which is tried, and kept."""
    try:
        from galvanic.compiled import KEPT_IN
        from galvanic.streams import compile_loop

        compile_loop()
    except Exception as error:  # whatever keeps it from working is the finding itself
        return Finding(
            "writing",
            Level.BROKEN,
            f"What writes texts cannot be compiled: {' '.join(str(error).split())[:300]}",
            "Install everything anew.",
            ("make clean install",),
        )
    if KEPT_IN:
        return Finding("writing", Level.OK, f"What writes texts is compiled, and kept in {KEPT_IN}")
    return Finding(
        "writing",
        Level.NOTE,
        "What writes texts is compiled anew by each process, which takes seconds: it can be kept nowhere.",
        "Set NUMBA_CACHE_DIR to a folder that this user alone can write to.",
    )


def memory() -> list[Finding]:
    """Empty where it cannot be found out."""
    found = memory_bytes()
    if found is None:
        return []
    said = f"Memory: {found / _GIGABYTE:.1f} GB"
    if found >= _LITTLE_MEMORY:
        return [Finding("memory", Level.OK, said)]
    return [
        Finding(
            "memory",
            Level.MEND,
            f"{said}, which is little: the system may kill a worker when it trains and writes at once.",
            "Give it 3 GB, or train small networks (`!train --units 256`) and keep fewer models warm (WARM_MODELS=1).",
        )
    ]


def disk(settings: Settings) -> Finding:
    folder = settings.data_dir
    try:
        _try(folder)
        free = shutil.disk_usage(_nearest(folder)).free
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
        if "://" in settings.model_store_url:
            models.check_writable()
        else:
            _try(Path(settings.model_store_url))
    except UserError as error:
        return Finding("store", Level.BROKEN, error.problem, error.remedy)
    except Exception as error:  # each kind of store has errors of its own
        said = " ".join(str(error).split())[:200]
        problem = f"The model store cannot be written to ({type(error).__name__}: {said})."
        if "://" in settings.model_store_url:
            remedy = (
                "Compare MODEL_STORE with the bucket's name, and its access keys with the environment of this process."
            )
            return Finding("store", Level.BROKEN, problem, remedy)
        remedy = "Give yourself write access to it, or choose another place with MODEL_STORE."
        return Finding("store", Level.BROKEN, problem, remedy, (f"ls -ld {_nearest(Path(settings.model_store_url))}",))
    return Finding("store", Level.OK, f"The model store {models.where} can be written to")


def _try(folder: Path) -> None:
    """Write a file that is gone at once, into the folder or where it would be made. Raises OSError."""
    with tempfile.TemporaryFile(dir=_nearest(folder)) as probe:
        probe.write(b"x" * 4096)


def _nearest(folder: Path) -> Path:
    return next((path for path in (folder, *folder.parents) if path.exists()), folder)
