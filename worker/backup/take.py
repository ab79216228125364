"""Takes a backup: first Redis at one moment, then the models that it names and the checkpoints of what runs."""

from __future__ import annotations

import gzip
import importlib.metadata
import os
import tempfile
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import redis
from pydantic import ValidationError

from shared import keys
from shared.errors import UserError
from shared.models import ModelRecord
from shared.settings import Settings
from shared.units import MEGABYTE, count
from worker.backup.archive import CHECKPOINTS, DESCRIPTION, MODELS, STATE, Description, Told, Writer
from worker.backup.entries import Entry, Snapshot, jobs_of
from worker.jobs.job_files import JobFiles
from worker.store import ModelStore

Say = Callable[[str], None]


@dataclass(frozen=True)
class Taken:
    """A backup that was taken.

    Attributes:
        description: what it says of itself.
        checkpoints: trainings whose checkpoint is in it.
        missing: names of the models whose files are not in the store.
        foreign: keys of Redis that are not ours, and not in it.
    """

    description: Description
    checkpoints: int
    missing: tuple[str, ...]
    foreign: int


def take(settings: Settings, client: redis.Redis, file: IO[bytes], folder: Path, say: Say, told: Told) -> Taken:
    """Write a backup; whatever goes on meanwhile goes on.

    Args:
        settings: where models and checkpoints are.
        client: of Redis; one that waits long for a reply.
        file: takes the backup; it need not be seekable.
        folder: for what is too large for memory; nothing is left in it.
        say: takes lines about what is done.
        told: hears how far it is.

    Raises:
        UserError: there is nothing to back up, or none of the models is there.
        redis.RedisError: Redis cannot be reached.
        OSError: something cannot be read or written.
    """
    snapshot = Snapshot(client)
    if not snapshot.entries:
        raise UserError(
            "There is nothing to back up: this Redis knows no model, no training and no setting.",
            "Check REDIS_URL and DATA_DIR.",
        )
    records = _records(snapshot.entries)
    jobs = jobs_of(snapshot.entries)
    with tempfile.TemporaryFile(dir=folder) as state:
        entries = _write_state(snapshot, state)
        size = state.tell()
        say(f"Redis: {count(entries, 'key')}, {size / MEGABYTE:,.1f} MB")
        description = Description(
            taken_at=snapshot.taken_at,
            version=importlib.metadata.version("galvanic"),
            entries=entries,
            models=len(records),
            trainings=len(jobs),
        )
        with Writer(file, snapshot.taken_at, told) as writer:
            writer.add_bytes(DESCRIPTION, description.model_dump_json(indent=1).encode() + b"\n")
            state.seek(0)
            writer.add(STATE, size, state)
            missing = _add_models(writer, ModelStore(settings), records, say)
            checkpoints = sum(_add_checkpoint(writer, JobFiles.of(settings, job_id), job_id) for job_id in sorted(jobs))
    return Taken(description, checkpoints, missing, snapshot.foreign)


def _write_state(snapshot: Snapshot, file: IO[bytes]) -> int:
    """Write Redis' part; the number of its keys. What is open comes before the texts that it needs."""
    count = 0
    # Texts are compressed as they are; the fastest way undoes what base64 adds.
    with gzip.GzipFile(filename="", fileobj=file, mode="wb", compresslevel=1, mtime=int(snapshot.taken_at)) as packed:
        for entries in (snapshot.entries, snapshot.rest()):
            for entry in entries:
                packed.write(entry.to_line())
                count += 1
    return count


def _records(entries: Iterable[Entry]) -> dict[str, str]:
    """The registry's models: name by id."""
    prefix = keys.model("").encode()
    found = {}
    for entry in entries:
        if entry.key.startswith(prefix):
            model_id = entry.key.removeprefix(prefix).decode()
            try:
                found[model_id] = ModelRecord.model_validate_json(entry.values[0]).name
            except ValidationError:  # another version's
                found[model_id] = model_id
    return found


def _add_models(writer: Writer, store: ModelStore, records: dict[str, str], say: Say) -> tuple[str, ...]:
    """Add the models; names of those that are not in the store.

    Raises:
        UserError: none is, or the store cannot be read.
    """
    missing, size = [], 0
    for model_id, name in records.items():
        with ExitStack() as opened:
            try:
                files = store.open_files(model_id)
            except UserError:
                missing.append(name)
                continue
            for file in files:
                opened.enter_context(file.source)
            for file in files:
                writer.add(f"{MODELS}/{model_id}/{file.name}", file.size, file.source)
                size += file.size
    if records and len(missing) == len(records):
        raise UserError(
            f"None of the {len(records)} models is in the model store ({store.where}).",
            "Run this where the models are, and check DATA_DIR and MODEL_STORE.",
        )
    say(f"models: {len(records) - len(missing):,}, {size / MEGABYTE:,.1f} MB")
    return tuple(missing)


def _add_checkpoint(writer: Writer, files: JobFiles, job_id: str) -> bool:
    """Add what a training of this host goes on from, if there is such a thing. The text comes from Redis again."""
    with ExitStack() as opened:
        try:
            paths = [
                path for path in sorted(files.checkpoint.iterdir()) if not path.name.startswith(".")
            ]  # half written
            paths += [files.learned] if files.learned.exists() else []
            # All are opened before one is read: what is replaced or removed meanwhile stays as it was.
            found = [(path, opened.enter_context(path.open("rb"))) for path in paths]
        except FileNotFoundError:  # it has none yet, or ended just now
            return False
        for path, source in found:
            name = f"{CHECKPOINTS}/{job_id}/{path.relative_to(files.folder).as_posix()}"
            writer.add(name, os.fstat(source.fileno()).st_size, source)
    return bool(found)
