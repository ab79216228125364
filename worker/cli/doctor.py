"""The command `doctor`: a page of what works on this machine, and what to do about the rest."""

import argparse
import dataclasses
import multiprocessing
import platform
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from importlib.metadata import distributions
from pathlib import Path

import redis

from galvanic.cli.base import report
from galvanic.cli.findings import Finding, Level
from galvanic.errors import UserError
from galvanic.host import memory_bytes
from galvanic.machine import self_check
from galvanic.units import MEGABYTE, count
from shared import hardware, presence
from shared.connect import connect_once, explain, where
from shared.jobs import GENERATE_QUEUE, TRAIN_QUEUE
from shared.settings import Settings, get_settings, misspelt
from worker.store import ModelStore

_GIGABYTE = 1_000 * MEGABYTE
_LITTLE_DISK = 2_000 * MEGABYTE
_LITTLE_MEMORY = 2_500 * MEGABYTE  # bot, workers and Redis with a training (docs/hardware.md)
_LITTLE_GPU_MEMORY_MB = 2_000
"""MiB that a training wants: up to 1,170 by `Plan.memory` for what `char` chooses on a GPU, and the rest for CUDA and
cuDNN (docs/gpu.md)."""
_OLDEST_REDIS = (7, 2)
_ANSWER_WITHIN_S = 5.0
_LIBRARIES = ("tensorflow", "tensorflow-cpu", "keras", "numpy", "safetensors", "galvanic")


def doctor(options: argparse.Namespace, checks: Iterable[Callable[[], Iterable[Finding]]] = ()) -> int:
    """Return 1 when something needed is broken. `checks`: those of other plugins."""
    settings = get_settings()
    findings = [
        *(Finding(Level.MEND, remark) for remark in misspelt()),
        *check_tensorflow(),
        *check_memory(),
        check_disk(settings.data_dir),
        check_store(settings),
        *check_redis(settings),
        *(finding for check in checks for finding in check()),
    ]
    lines = []
    for finding in findings:
        lines.append(f"{finding.level:<8} {finding.problem}")
        if finding.remedy:
            lines.append(f"{'':8} {finding.remedy}")
    levels = [finding.level for finding in findings]
    broken, to_mend = levels.count(Level.BROKEN), levels.count(Level.MEND)
    if broken or to_mend:
        lines.append(f"{count(broken + to_mend, 'thing')} to mend{'; begin with BROKEN' if broken else ''}.")
    else:
        lines.append("All good.")
    report(options.json, {"ok": not broken, "findings": list(map(dataclasses.asdict, findings))}, lines)
    return int(broken > 0)


def check_tensorflow() -> Iterator[Finding]:
    try:
        # Apart: without AVX, TensorFlow ends its process.
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as apart:
            checked = apart.submit(self_check).result()
    except Exception as error:  # whatever keeps TensorFlow from working is the finding itself
        yield _not_installed(f"TensorFlow does not work: {_short(error)}")
        return
    if not checked.right:
        yield _not_installed("TensorFlow computes wrongly: a product of matrices is not what it should be.")
        return
    installed = {name: [library.version for library in distributions(name=name)] for name in _LIBRARIES}
    versions = ", ".join(f"{name} {numbers[0]}" for name, numbers in installed.items() if numbers)
    yield Finding(Level.OK, f"Python {platform.python_version()}, {versions}; {checked.flops / 1e9:,.0f} GFLOP/s")
    yield from check_gpu(checked.gpus)
    try:
        from galvanic.streams import compile_loop

        compile_loop()
    except Exception as error:  # as above
        yield _not_installed(f"The code that writes texts cannot be compiled: {_short(error)}")


def _not_installed(problem: str) -> Finding:
    remedy = (
        "Install everything anew: make clean install. TensorFlow needs a processor with AVX instructions, and about "
        "0.5 GB of free memory."
    )
    return Finding(Level.BROKEN, problem, remedy)


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:300]


def check_gpu(seen: tuple[str, ...]) -> Iterator[Finding]:
    """Say whether trainings use the GPU, or why not. `seen`: the GPUs that TensorFlow finds."""
    cause, cards = hardware.why_unused(), hardware.visible()
    if seen:
        yield Finding(Level.OK, f"Trainings run on the GPU: {hardware.named(seen)}. Texts are written on the CPU.")
        free_mb = max((card.memory_total_mb - card.memory_used_mb for card in cards), default=0)
        if 0 < free_mb < _LITTLE_GPU_MEMORY_MB:
            problem = f"Of the GPU's memory {free_mb / 1024:.1f} GB are free; a training wants about 2."
            yield Finding(Level.MEND, problem, "If no training runs now, nvidia-smi shows what else uses it: end that.")
    elif cause is not None:
        yield Finding(Level.MEND, f"The GPU is not used. {cause.problem}", cause.remedy)
    elif cards:
        yield Finding(
            Level.MEND,
            f"The GPU is not used. TensorFlow does not find {cards[0].name} with driver {cards[0].driver}.",
            "Driver or card may be too old (docs/gpu.md). TensorFlow says more, in lines that begin with W or E: "
            "TF_CPP_MIN_LOG_LEVEL=0 python -c \"import tensorflow as tf; tf.config.list_physical_devices('GPU')\"",
        )
    else:
        yield Finding(Level.OK, f"There is no NVIDIA card; trainings run on {hardware.on_cpu()}.")


def check_memory() -> Iterator[Finding]:
    memory = memory_bytes()
    if memory is None:
        return
    size = f"Memory: {memory / _GIGABYTE:.1f} GB"
    if memory >= _LITTLE_MEMORY:
        yield Finding(Level.OK, size)
    else:
        problem = f"{size}. A training takes 1 or more, bot, workers and Redis together about 2.5."
        yield Finding(Level.MEND, problem, "Give this machine or container more, or trainings may be killed.")


def _try_writing(folder: Path) -> Path:
    """Write a file that is gone at once, into the folder or where it would be made, and return that. Raises OSError."""
    existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    with tempfile.TemporaryFile(dir=existing) as probe:
        probe.write(b"probe")
    return existing


def check_disk(folder: Path, name: str = "data folder", setting: str = "DATA_DIR") -> Finding:
    try:
        existing = _try_writing(folder)
        free = shutil.disk_usage(existing).free
    except OSError as error:
        problem = f"The {name} {folder} cannot be written to: {error.strerror}."
        return Finding(Level.BROKEN, problem, f"Give yourself write access to it, or choose another with {setting}.")
    missing = "" if existing == folder else ", which does not exist yet"
    room = f"Disk: {free / _GIGABYTE:.1f} GB free in the {name} {folder}{missing}"
    if free >= _LITTLE_DISK:
        return Finding(Level.OK, room)
    return Finding(
        Level.MEND,
        f"{room}. A model takes up to 100 MB, a running training three times as much.",
        f"Make room there (!model delete), or choose another folder with {setting}.",
    )


def check_store(settings: Settings) -> Finding:
    try:
        store = ModelStore(settings)
        if store.is_local:
            return check_disk(Path(store.where), "model store", "MODEL_STORE")
        store.check_usable()
    except UserError as error:
        return Finding(Level.BROKEN, error.problem, error.remedy)
    except Exception as error:  # each kind of store has errors of its own
        problem = f"The model store cannot be used ({type(error).__name__}: {_short(error)})."
        return Finding(Level.BROKEN, problem, "Compare MODEL_STORE and its keys with .env.example.")
    return Finding(Level.OK, f"The model store {store.where} can be used.")


def check_redis(settings: Settings) -> Iterator[Finding]:
    try:
        with connect_once(settings, _ANSWER_WITHIN_S) as client:
            about = client.info()
            services = (presence.BOT, TRAIN_QUEUE, GENERATE_QUEUE)
            connected = {service: presence.alive(client, service) for service in services}
    except (redis.RedisError, OSError, ValueError) as error:
        if settings.redis_url is None and not isinstance(error, redis.AuthenticationError):
            folder = settings.data_dir.absolute()
            yield Finding(
                Level.OK,
                f"REDIS_URL names no Redis, and nothing runs with the data folder {folder}.",
                "The command line needs none. If the bot runs, give this command in its folder, or with its DATA_DIR.",
            )
        else:
            explained = explain(error, settings)
            yield Finding(Level.BROKEN, explained.problem, explained.remedy)
        return
    at = f" at {where(settings)}" if settings.redis_url is not None else ""
    version = str(about["redis_version"])
    if tuple(map(int, version.split(".")[:2])) < _OLDEST_REDIS:
        yield Finding(Level.BROKEN, f"Redis{at} is too old: {version}.", "Galvanic needs 7.2 or later.")
    else:
        yield Finding(Level.OK, f"Redis{at} answers.")
    # A provider's Redis may leave these out.
    if about.get("aof_enabled") == 0:
        yield Finding(
            Level.MEND,
            "Redis keeps everything in memory alone: its restart loses trainings, models' names and settings.",
            "Set `appendonly yes` in its redis.conf.",
        )
    policy = about.get("maxmemory_policy", "noeviction")
    if policy != "noeviction":
        yield Finding(
            Level.MEND,
            f"Redis may throw jobs and models' names away: its maxmemory-policy is {policy}.",
            "Set `maxmemory-policy noeviction` in its redis.conf.",
        )
    for service, names in connected.items():
        yield Finding(Level.OK, f"Connected to it as {service}: {', '.join(names) or 'nothing now'}")
