"""Restores a backup onto an empty installation: files first, then Redis in one step; the bot resumes trainings."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, cast

import redis

from galvanic.errors import UserError
from galvanic.units import MEGABYTE, count
from shared import keys, lifecycle, presence
from shared.jobs import GENERATE_QUEUE, TRAIN_QUEUE
from shared.settings import Settings
from worker.backup.archive import CHECKPOINTS, MODELS, Backup, Description, Entry, is_kept
from worker.events import REDIS_DOWN, run_script
from worker.files import JobFiles, folder_of_all
from worker.store import ModelStore

Say = Callable[[str], None]
_TEMPORARY = "restoring-"
_SPARE_BYTES = 50_000_000
_CHOICES = re.compile(rb"guild:\d+:models|channel:\d+")


class Restored(NamedTuple):
    description: Description
    models: int
    checkpoints: int  # trainings that go on from one
    trainings: int  # not over
    without_files: tuple[str, ...]  # names of models, which left the registry


def restore(settings: Settings, client: redis.Redis, backup: Backup, say: Say) -> Restored:
    """Restore all or nothing; only if Redis does not answer to the last step, files stay.

    `client`: one that waits long for a reply. Raises UserError: the installation is not empty, or at work, the disk is
    full, or the backup is damaged; redis.RedisError; OSError.
    """
    store = ModelStore(settings)
    require_nobody(client)
    _require_empty(settings, client, store)
    _require_space(settings.data_dir, backup.bytes)
    for left in settings.data_dir.glob(f"{_TEMPORARY}*"):  # by one that was killed
        shutil.rmtree(left)
    entering = False
    try:
        entries = list(backup.entries())
        with tempfile.TemporaryDirectory(prefix=_TEMPORARY, dir=settings.data_dir) as temporary:
            backup.unpack(Path(temporary))
            _move(settings, store, Path(temporary), backup)
        say(f"models: {len(backup.models):,}, checkpoints: {len(backup.jobs):,}")
        os.sync()  # before anything names them
        require_nobody(client)
        missing = {one.model_id for one in entries} - {"", *backup.models}
        gone = {key(model_id).encode() for model_id in missing for key in (keys.model, keys.ownership)}
        entries = [one for one in entries if one.key not in gone]
        entering = True
        _enter(settings, client, entries, backup.description)
    except BaseException as error:
        if entering and isinstance(error, (*REDIS_DOWN, KeyboardInterrupt)):
            say(
                "Redis doesn't say whether it has taken its part, so models and checkpoints stay where they are. Once "
                "it is there again, give this command again: if it finds keys in Redis, all is restored, and you can "
                "start; if it finds only files, delete them, and restore again."
            )
        else:
            _take_back(settings, store, backup, say)
        raise
    without_files = _forget(client, missing) if missing else ()
    _let_wait(client)
    say(f"Redis: {count(len(entries), 'key')}, less what has expired")
    with suppress(redis.RedisError):  # a server that knows it, and has an append-only file
        client.waitaof(1, 0, 10_000)
    trainings = client.hlen(keys.ACTIVE)
    return Restored(backup.description, len(backup.models), len(backup.jobs), trainings, without_files)


def _take_back(settings: Settings, store: ModelStore, backup: Backup, say: Say) -> None:
    say("breaking off: what was restored so far is removed")
    for model_id in backup.models:
        store.delete(model_id)
    for job_id in backup.jobs:
        JobFiles(settings, job_id).discard()


def _enter(settings: Settings, client: redis.Redis, entries: list[Entry], description: Description) -> None:
    """Enter all in one transaction; Redis leaves out what has expired.

    Raises UserError: this Redis does not take them, and has none; redis.RedisError.
    """
    fresh_ms = int(1_000 * (time.time() + 3_600 * settings.corpus_ttl_hours))
    texts = keys.corpus("").encode()
    try:
        with client.pipeline(transaction=True) as pipe:
            for key, value, at in entries:
                pipe.restore(key, at or (fresh_ms if key.startswith(texts) else 0), value, absttl=True)
            pipe.execute()
    except redis.ResponseError as error:
        client.unlink(*(entry.key for entry in entries))
        if "payload" not in str(error):
            raise
        raise UserError(
            f"This Redis does not take the entries of the backup, which is of Redis {description.redis}.",
            "Restore onto the same or a newer version of Redis.",
        ) from error


def _let_wait(client: redis.Redis) -> None:
    """Let the trainings that a worker had begun wait again at once, as after a stop in order."""
    for job_id in cast(list[bytes], client.hkeys(keys.ACTIVE)):
        record = cast(list[bytes | None], client.hmget(keys.job(job_id.decode()), "attempt", "nonce"))
        attempt, nonce = ((value or b"0").decode() for value in record)
        run_script(client, lifecycle.requeue(job_id.decode(), int(attempt), nonce, "stopped"))


def _forget(client: redis.Redis, models: set[str]) -> tuple[str, ...]:
    """Take models without files out of the registry, and out of channels' choices; return their names."""
    names = []
    for key in filter(_CHOICES.fullmatch, cast(Iterable[bytes], client.scan_iter(count=1_000))):
        for name, value in cast(dict[bytes, bytes], client.hgetall(key)).items():
            if value.decode() in models:
                client.hdel(key, name)
                if key.startswith(b"guild:"):
                    names.append(name.decode())
    return tuple(sorted(names))


def require_nobody(client: redis.Redis) -> None:
    """Raises UserError: the bot or a worker is running; redis.RedisError."""
    for service, name in ((presence.BOT, "a bot"), (TRAIN_QUEUE, "a train worker"), (GENERATE_QUEUE, "a worker")):
        if presence.alive(client, service):
            raise UserError(f"There is {name} at work on this Redis.", "Stop bot and workers, and try again.")


def _require_empty(settings: Settings, client: redis.Redis, store: ModelStore) -> None:
    """Refuse to mix two installations."""
    found = []
    present = [name for name in cast(Iterable[bytes], client.scan_iter(count=1_000)) if is_kept(name)]
    if present:
        kinds = Counter(key.partition(b":")[0].decode() for key in present)
        what = ", ".join(f"{kind}: {count:,}" for kind, count in sorted(kinds.items()))
        found.append(f"Redis has {count(len(present), 'key')} ({what})")
    if models := store.ids():
        found.append(f"the model store {store.where} has {count(len(models), 'model')}")
    checkpoints = folder_of_all(settings)
    if checkpoints.is_dir() and any(checkpoints.iterdir()):
        found.append(f"{checkpoints} has checkpoints")
    if found:
        raise UserError(
            f"A backup can be restored onto an empty installation only, and this one is not: {'; '.join(found)}.",
            "Choose another DATA_DIR (and REDIS_URL or MODEL_STORE if you have set them), or move away what is there. "
            "If an earlier restore was killed, this is what it left: delete it.",
        )


def _require_space(folder: Path, size: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    free, needed = shutil.disk_usage(folder).free, size + _SPARE_BYTES
    if free < needed:
        raise UserError(
            f"The disk of {folder} has {free / MEGABYTE:,.0f} MB free, and the backup needs "
            f"{needed / MEGABYTE:,.0f} MB.",
            "Free some space, or choose a folder on another disk with DATA_DIR.",
        )


def _move(settings: Settings, store: ModelStore, folder: Path, backup: Backup) -> None:
    for model_id in sorted(backup.models):
        store.take(folder / MODELS / f"{model_id}.safetensors", model_id)
    for job_id in sorted(backup.jobs):
        place = JobFiles(settings, job_id).folder
        place.parent.mkdir(parents=True, exist_ok=True)
        (folder / CHECKPOINTS / job_id).rename(place)
