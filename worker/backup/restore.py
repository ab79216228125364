"""Restores a backup onto an empty installation: files first, then Redis in one step; the bot resumes trainings."""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import redis
from pydantic import ValidationError

from shared import keys, presence
from shared.errors import UserError
from shared.jobs import GENERATE_QUEUE, TRAIN_QUEUE, TrainJob
from shared.settings import Settings
from shared.units import MEGABYTE, count
from worker.backup.archive import CHECKPOINTS, MODELS, RECORDS, TEXTS, Backup, Description, Entry, Progress, damaged
from worker.backup.keyspace import Kind, kind_of
from worker.files import JobFiles
from worker.store import ModelStore

Say = Callable[[str], None]
_TEMPORARY = "restoring-"
_SPARE_BYTES = 50_000_000
_CHOICES = re.compile(rb"guild:\d+:models|channel:\d+")


@dataclass
class Restored:
    description: Description
    models: int
    checkpoints: int  # trainings that go on from one
    trainings: int = 0  # not over
    expired: int = 0  # keys of Redis whose time was over by now
    without_files: list[str] = field(default_factory=list)  # names of models, which left the registry


def restore(settings: Settings, client: redis.Redis, backup: Backup, say: Say, progress: Progress) -> Restored:
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
    done = Restored(backup.description, len(backup.models), len(backup.jobs))
    entries = _Staged(client)
    committing = False
    try:
        with tempfile.TemporaryDirectory(prefix=_TEMPORARY, dir=settings.data_dir) as temporary:
            backup.unpack(Path(temporary), progress)
            entries.stage(settings, backup, done)
            _move(settings, store, Path(temporary), backup)
        say(f"models: {done.models:,}, checkpoints: {done.checkpoints:,}")
        os.sync()  # before anything names them
        require_nobody(client)
        committing = True
        entries.commit()
    except BaseException:
        if committing:
            say(
                "Redis doesn't say whether it has taken its part, so models and checkpoints stay where they are. Once "
                "it is there again, give this command again: if it finds keys in Redis, all is restored, and you can "
                "start; if it finds only files, delete them, and restore again."
            )
            raise
        say("breaking off: what was restored so far is removed")
        for model_id in backup.models:
            store.delete(model_id)
        for job_id in backup.jobs:
            JobFiles.of(settings, job_id).discard()
        entries.drop()
        raise
    say(f"Redis: {count(len(entries.names), 'key')}")
    with suppress(redis.RedisError):  # a server that knows it, and has an append-only file
        client.waitaof(1, 0, 10_000)
    return done


class _Staged:
    """Redis' keys under a prefix that nobody reads, until one transaction gives them their own `names`."""

    def __init__(self, client: redis.Redis) -> None:
        self._redis = client
        self.names: list[bytes] = []

    def stage(self, settings: Settings, backup: Backup, done: Restored) -> None:
        """Leave out what has expired, and models without files; extend the life of texts that trainings need.

        Raises UserError: the backup is damaged, or a newer server's; redis.RedisError.
        """
        self.drop()
        seconds, microseconds = self._redis.time()
        now_ms = seconds * 1_000 + microseconds // 1_000
        for entry in backup.entries(RECORDS):
            self._add(entry, now_ms, done)
        self._forget_models(backup.models, done)
        active = cast(list[bytes], self._redis.hkeys(_staged(keys.ACTIVE)))
        done.trainings = len(active)
        needed = {keys.corpus(sha256).encode() for job_id in active if (sha256 := self._text(job_id.decode()))}
        kept_ms = now_ms + int(3_600_000 * settings.corpus_ttl_hours)
        for found in backup.entries(TEXTS):
            entry = found
            if entry.key in needed and entry.expires_ms is not None:
                # A training that is not over needs it: the restore counts as one more use.
                entry = entry._replace(expires_ms=max(entry.expires_ms, kept_ms))
            self._add(entry, now_ms, done)

    def commit(self) -> None:
        """Raises redis.RedisError: no answer; Redis may have renamed the keys, or may yet."""
        with self._redis.pipeline(transaction=True) as pipe:
            for name in self.names:
                pipe.rename(_staged(name), name)
            pipe.execute(raise_on_error=False)  # one may have expired

    def drop(self) -> None:
        """Drop what was staged, by this process or by one that was killed."""
        for name in cast(Iterable[bytes], self._redis.scan_iter(match=keys.staged("*"), count=1_000)):
            self._redis.unlink(name)

    def _add(self, entry: Entry, now_ms: int, done: Restored) -> None:
        if kind_of(entry.key) is not Kind.KEPT:
            raise damaged()
        if entry.expires_ms is not None and entry.expires_ms <= now_ms:
            done.expired += 1
            return
        try:
            self._redis.restore(_staged(entry.key), entry.expires_ms or 0, entry.value, absttl=True)
        except redis.ResponseError as error:
            if "payload" not in str(error):
                raise
            raise UserError(
                f"This Redis does not take the entries of the backup, which is of Redis {done.description.redis}.",
                "Restore onto the same or a newer version of Redis.",
            ) from error
        self.names.append(entry.key)

    def _forget_models(self, there: set[str], done: Restored) -> None:
        """Take models without files out of the registry, and out of channels' choices."""
        prefix = keys.model("").encode()
        gone = {name for name in self.names if name.startswith(prefix) and name[len(prefix) :].decode() not in there}
        if not gone:
            return
        for name in sorted(gone):
            record = cast(bytes, self._redis.getdel(_staged(name)))
            with suppress(ValueError, KeyError):  # another version's
                done.without_files.append(str(json.loads(record)["name"]))
        ids = {name.removeprefix(prefix) for name in gone}
        for name in filter(_CHOICES.fullmatch, self.names):
            fields = cast(dict[bytes, bytes], self._redis.hgetall(_staged(name)))
            if chosen := [one for one, value in fields.items() if value in ids]:
                self._redis.hdel(_staged(name), *chosen)
        self.names = [name for name in self.names if name not in gone]

    def _text(self, job_id: str) -> str | None:
        """The hash of a training's text; None for a channel's messages, which are kept no longer than was promised."""
        try:
            job = TrainJob.model_validate_json(cast(bytes, self._redis.hget(_staged(keys.job(job_id)), "job")) or b"")
        except ValidationError:  # gone, or another version's
            return None
        return None if job.corpus.transcript is not None else job.corpus.sha256


def _staged(name: bytes | str) -> bytes:
    return keys.staged("").encode() + (name if isinstance(name, bytes) else name.encode())


def require_nobody(client: redis.Redis) -> None:
    """Raises UserError: the bot or a worker is running; redis.RedisError."""
    for service, name in ((presence.BOT, "a bot"), (TRAIN_QUEUE, "a train worker"), (GENERATE_QUEUE, "a worker")):
        if presence.alive(client, service):
            raise UserError(f"There is {name} at work on this Redis.", "Stop bot and workers, and try again.")


def _require_empty(settings: Settings, client: redis.Redis, store: ModelStore) -> None:
    """Refuse to mix two installations."""
    found = []
    present = [name for name in cast(Iterable[bytes], client.scan_iter(count=1_000)) if kind_of(name) is Kind.KEPT]
    if present:
        kinds = Counter(key.partition(b":")[0].decode() for key in present)
        what = ", ".join(f"{kind}: {count:,}" for kind, count in sorted(kinds.items()))
        found.append(f"Redis has {count(len(present), 'key')} ({what})")
    if models := store.ids():
        found.append(f"the model store {store.where} has {count(len(models), 'model')}")
    checkpoints = JobFiles.of(settings, "any").folder.parent
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
        place = JobFiles.of(settings, job_id).folder
        place.parent.mkdir(parents=True, exist_ok=True)
        (folder / CHECKPOINTS / job_id).rename(place)
