"""Takes a backup: first Redis at one moment, then the models that it names and the checkpoints of what runs."""

from __future__ import annotations

import importlib.metadata
import time
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import IO, NamedTuple, cast

import redis
from pydantic import ValidationError

from shared import keys
from shared.errors import UserError
from shared.models import ModelRecord
from shared.settings import Settings
from shared.units import MEGABYTE, count
from worker.backup.archive import (
    CHECKPOINTS,
    DESCRIPTION,
    MODELS,
    RECORDS,
    TEXTS,
    Description,
    Entry,
    Progress,
    copy,
    write_entries,
)
from worker.backup.keyspace import Kind, is_large, kind_of
from worker.files import JobFiles
from worker.store import ModelStore

Say = Callable[[str], None]
_PAUSE_S = 30
"""Writes to Redis are paused no longer than this, while it is read at one moment."""
_AT_ONCE = 500


@dataclass(frozen=True)
class Taken:
    description: Description
    checkpoints: int  # trainings whose checkpoint is in it
    missing: tuple[str, ...]  # names of models whose files are not in the store
    foreign: int  # keys of Redis that are not Galvanic's, and left out


class Snapshot(NamedTuple):
    """Redis at one moment."""

    taken_at: float
    records: list[Entry]
    large: list[bytes]  # keys of texts and files, which never change
    jobs: list[str]  # ids of trainings that are not over
    models: list[str]  # ids in the registry
    foreign: int  # keys that are not Galvanic's


def take(settings: Settings, client: redis.Redis, file: IO[bytes], say: Say, progress: Progress) -> Taken:
    """Write a backup into `file`, which need not be seekable; whoever writes to Redis waits for a moment.

    `client`: one that waits long for a reply. Raises UserError: there is nothing to back up, no model's file is there,
    or Redis is too slow; redis.RedisError; OSError.
    """
    snapshot = take_snapshot(client)
    if not snapshot.records:
        raise UserError(
            "There is nothing to back up: this Redis knows no model, no training and no setting.",
            "Check REDIS_URL and DATA_DIR.",
        )
    description = Description(
        taken_at=snapshot.taken_at,
        version=importlib.metadata.version("galvanic"),
        redis=client.info("server")["redis_version"],
        entries=len(snapshot.records) + len(snapshot.large),
        models=len(snapshot.models),
        trainings=len(snapshot.jobs),
    )
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(DESCRIPTION, description.model_dump_json(indent=1) + "\n")
        write_entries(archive, RECORDS, snapshot.records)
        write_entries(archive, TEXTS, (entry for key in snapshot.large for entry in _dumped(client, [key])))
        say(f"Redis: {count(description.entries, 'key')}")
        missing = _add_models(archive, ModelStore(settings), client, snapshot.models, say, progress)
        checkpoints = sum(_add_checkpoint(archive, JobFiles.of(settings, one), one, progress) for one in snapshot.jobs)
    return Taken(description, checkpoints, missing, snapshot.foreign)


def take_snapshot(client: redis.Redis) -> Snapshot:
    """Raises UserError: it took too long; redis.RedisError: unreachable, or this user may not pause writes."""
    moment = time.time()
    begun = time.monotonic()
    client.client_pause(_PAUSE_S * 1_000, all=False)
    try:
        names = sorted(set(cast(Iterable[bytes], client.scan_iter(count=10_000))))
        kept = [name for name in names if kind_of(name) is Kind.KEPT]
        records = list(_dumped(client, [name for name in kept if not is_large(name)]))
        jobs = sorted(name.decode() for name in cast(list[bytes], client.hkeys(keys.ACTIVE)))
        in_time = time.monotonic() - begun < _PAUSE_S
    finally:
        client.client_unpause()
    if not in_time:
        raise UserError(f"Redis could not be read within {_PAUSE_S} seconds.", "Try again when less goes on.")
    prefix = keys.model("").encode()
    models = [name.removeprefix(prefix).decode() for name in kept if name.startswith(prefix)]
    foreign = sum(kind_of(name) is Kind.FOREIGN for name in names)
    return Snapshot(moment, records, [name for name in kept if is_large(name)], jobs, models, foreign)


def _dumped(client: redis.Redis, names: list[bytes]) -> Iterator[Entry]:
    for start in range(0, len(names), _AT_ONCE):
        some = names[start : start + _AT_ONCE]
        with client.pipeline(transaction=False) as pipe:
            for name in some:
                pipe.dump(name)
                pipe.pexpiretime(name.decode())
            found = pipe.execute()
        for name, value, expires_ms in zip(some, found[::2], found[1::2], strict=True):
            if value is not None:
                yield Entry(name, value, expires_ms if expires_ms > 0 else None)


def _name(client: redis.Redis, model_id: str) -> str:
    try:
        return ModelRecord.model_validate_json(cast(bytes, client.get(keys.model(model_id))) or b"").name
    except ValidationError:  # another version's, or deleted meanwhile
        return model_id


def _add_models(
    archive: zipfile.ZipFile, store: ModelStore, client: redis.Redis, ids: list[str], say: Say, progress: Progress
) -> tuple[str, ...]:
    """Return names of models not in the store. Raises UserError: none is there, or the store cannot be read."""
    missing, size = [], 0
    for model_id in ids:
        try:
            source = store.open(model_id)
        except UserError:
            missing.append(_name(client, model_id))
            continue
        with source:
            _add(archive, f"{MODELS}/{model_id}.safetensors", source, progress)
            size += source.tell()
    if ids and len(missing) == len(ids):
        raise UserError(
            f"None of the {len(ids)} models is in the model store ({store.where}).",
            "Run this where the models are, and check DATA_DIR and MODEL_STORE.",
        )
    say(f"models: {len(ids) - len(missing):,}, {size / MEGABYTE:,.1f} MB")
    return tuple(missing)


def _add_checkpoint(archive: zipfile.ZipFile, files: JobFiles, job_id: str, progress: Progress) -> bool:
    """Add what a training of this host goes on from, if there is any, but not the text: it comes from Redis again."""
    with ExitStack() as opened:
        try:
            # What begins with a dot is half written.
            paths = [path for path in sorted(files.checkpoint.iterdir()) if not path.name.startswith(".")]
            paths += [files.learned] if files.learned.exists() else []
            # All are opened before one is read: what is replaced or removed meanwhile stays as it was.
            found = [(path, opened.enter_context(path.open("rb"))) for path in paths]
        except FileNotFoundError:  # it has none yet, or ended just now
            return False
        for path, source in found:
            _add(archive, f"{CHECKPOINTS}/{job_id}/{path.relative_to(files.folder).as_posix()}", source, progress)
    return bool(found)


def _add(archive: zipfile.ZipFile, name: str, source: IO[bytes], progress: Progress) -> None:
    with archive.open(name, "w", force_zip64=True) as part:
        copy(source, part, progress)
