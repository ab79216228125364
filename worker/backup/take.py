"""Takes a backup: first Redis at one moment, then the models that it names and the checkpoints of what runs."""

from __future__ import annotations

import importlib.metadata
import shutil
import time
import zipfile
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from typing import IO, NamedTuple, cast

import redis
from pydantic import ValidationError
from tqdm import tqdm

from galvanic.errors import UserError
from galvanic.units import MEGABYTE, count
from shared import keys
from shared.jobs import TrainJob
from shared.models import ModelFacts
from shared.settings import Settings
from worker.backup.archive import CHECKPOINTS, DESCRIPTION, MODELS, Description, Entry, is_kept, write_entries
from worker.files import JobFiles
from worker.store import ModelStore

Say = Callable[[str], None]
_PAUSE_S = 30
"""Writes to Redis are paused no longer than this, while it is read at one moment."""
_AT_ONCE = 500


class Taken(NamedTuple):
    description: Description
    checkpoints: int  # trainings whose checkpoint is in it
    missing: tuple[str, ...]  # names of models whose files are not in the store


class Snapshot(NamedTuple):
    taken_at: float
    entries: list[Entry]
    jobs: list[str]  # ids of trainings that are not over


def take(settings: Settings, client: redis.Redis, file: IO[bytes], say: Say) -> Taken:
    """Write a backup into `file`, which need not be seekable; whoever writes to Redis waits for a moment.

    `client`: one that waits long for a reply. Raises UserError: there is nothing to back up, no model's file is there,
    or Redis is too slow; redis.RedisError; OSError.
    """
    snapshot = take_snapshot(client)
    if not snapshot.entries:
        raise UserError(
            "There is nothing to back up: this Redis knows no model, no training and no setting.",
            "Check REDIS_URL and DATA_DIR.",
        )
    models = [entry.model_id for entry in snapshot.entries if entry.model_id]
    description = Description(
        taken_at=snapshot.taken_at,
        version=importlib.metadata.version("galvanic"),
        redis=client.info("server")["redis_version"],
        entries=len(snapshot.entries),
        models=len(models),
        trainings=len(snapshot.jobs),
    )
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(DESCRIPTION, description.model_dump_json(indent=1) + "\n")
        write_entries(archive, snapshot.entries)
        say(f"Redis: {count(description.entries, 'key')}")
        missing = _add_models(archive, ModelStore(settings), client, models, say)
        checkpoints = sum(_add_checkpoint(archive, JobFiles(settings, one), one) for one in snapshot.jobs)
    return Taken(description, checkpoints, missing)


def take_snapshot(client: redis.Redis) -> Snapshot:
    """Raises UserError: it took too long; redis.RedisError: unreachable, or this user may not pause writes."""
    moment, begun = time.time(), time.monotonic()
    client.client_pause(_PAUSE_S * 1_000, all=False)
    try:
        names = sorted(filter(is_kept, set(cast(Iterable[bytes], client.scan_iter(count=10_000)))))
        entries = [one for start in range(0, len(names), _AT_ONCE) for one in _dumped(client, names[start:][:_AT_ONCE])]
        jobs = sorted(name.decode() for name in cast(list[bytes], client.hkeys(keys.ACTIVE)))
        needed = {_text_of(client, job_id) for job_id in jobs}
        in_time = time.monotonic() - begun < _PAUSE_S
    finally:
        client.client_unpause()
    if not in_time:
        raise UserError(f"Redis could not be read within {_PAUSE_S} seconds.", "Try again when less goes on.")
    # A training that is not over needs its text: the restore counts as one more use.
    return Snapshot(moment, [one._replace(expires_ms=None) if one.key in needed else one for one in entries], jobs)


def _dumped(client: redis.Redis, names: list[bytes]) -> list[Entry]:
    with client.pipeline(transaction=False) as pipe:
        for name in names:
            pipe.dump(name)
            pipe.pexpiretime(name.decode())
        found = pipe.execute()
    read = zip(names, found[::2], found[1::2], strict=True)
    return [Entry(name, value, at if at > 0 else None) for name, value, at in read if value is not None]


def _text_of(client: redis.Redis, job_id: str) -> bytes | None:
    """The key of a training's text; None for a channel's messages, which are kept no longer than was promised."""
    try:
        job = TrainJob.model_validate_json(cast(bytes | None, client.hget(keys.job(job_id), "job")) or b"")
    except ValidationError:  # gone, or another version's
        return None
    return keys.corpus(job.corpus.sha256).encode() if job.corpus.transcript is None else None


def _name(client: redis.Redis, model_id: str) -> str:
    try:
        return ModelFacts.model_validate_json(cast(bytes, client.get(keys.model(model_id))) or b"").name
    except ValidationError:  # another version's, or deleted meanwhile
        return model_id


def _add_models(
    archive: zipfile.ZipFile, store: ModelStore, client: redis.Redis, ids: list[str], say: Say
) -> tuple[str, ...]:
    """Return names of models not in the store. Raises UserError: none is there, or the store cannot be read."""
    missing, size = [], 0
    for model_id in tqdm(ids, "models", leave=False, disable=None):
        try:
            # It is opened at once: deleted meanwhile, it is read to its end.
            with store.reading(model_id) as path, path.open("rb") as source:
                _add(archive, f"{MODELS}/{model_id}.safetensors", source)
                size += source.tell()
        except (UserError, FileNotFoundError):
            missing.append(_name(client, model_id))
    if ids and len(missing) == len(ids):
        raise UserError(
            f"None of the {len(ids)} models is in the model store ({store.where}).",
            "Run this where the models are, and check DATA_DIR and MODEL_STORE.",
        )
    say(f"models: {len(ids) - len(missing):,}, {size / MEGABYTE:,.1f} MB")
    return tuple(missing)


def _add_checkpoint(archive: zipfile.ZipFile, files: JobFiles, job_id: str) -> bool:
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
            _add(archive, f"{CHECKPOINTS}/{job_id}/{path.relative_to(files.folder).as_posix()}", source)
    return bool(found)


def _add(archive: zipfile.ZipFile, name: str, source: IO[bytes]) -> None:
    with archive.open(name, "w", force_zip64=True) as part:
        shutil.copyfileobj(source, part, 1 << 20)
