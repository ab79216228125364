"""Restores a backup onto an empty installation: files first, then Redis in one step, then what was running goes on."""

from __future__ import annotations

import gzip
import json
import os
import re
import secrets
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

import redis
import structlog
from celery import Celery
from kombu.exceptions import OperationalError
from pydantic import ValidationError

from shared import keys, messages, presence, turns
from shared.errors import UserError
from shared.events import Interrupted, Queued
from shared.jobs import GENERATE_QUEUE, TRAIN_QUEUE, TrainJob
from shared.settings import Settings
from shared.units import MEGABYTE, count
from worker.backup.archive import CHECKPOINTS, MODELS, Description, Reader, Told, damaged
from worker.backup.entries import Entry, commit, is_job, kept_keys, now_ms, settle, stage, unmark, unstage
from worker.backup.keyspace import Kind, kind_of
from worker.jobs.job_files import JobFiles
from worker.jobs.joblog import run_script
from worker.store import ModelStore

Say = Callable[[str], None]
_TEMPORARY = "restoring-"
_ROOM_BYTES = 50_000_000
_SETTLED_WITHIN_S = 30.0
"""So long Redis is asked whether it has taken all, when its answer was lost."""
_CHOICES = re.compile(rb"guild:\d+:models|channel:\d+")
log = structlog.get_logger()


@dataclass
class Restored:
    """A backup that was restored.

    Attributes:
        description: what it says of itself.
        models: that are there again.
        trainings: that wait again.
        checkpoints: of them, those that go on where they were.
        expired: keys of Redis whose time was over by now.
        without_files: names of models that the backup had no files of; they are not in the registry any more.
    """

    description: Description
    models: int = 0
    trainings: int = 0
    checkpoints: int = 0
    expired: int = 0
    without_files: list[str] = field(default_factory=list)


def require_place(settings: Settings, client: redis.Redis, size: int) -> None:
    """See that there is nothing in the way of a backup, before it is read.

    Args:
        settings: where models and checkpoints are to be.
        client: of Redis.
        size: bytes of the backup.

    Raises:
        UserError: there is something already, somebody is at work there, or the disk is full.
        redis.RedisError: Redis cannot be reached.
    """
    _require_nobody(client)
    _require_empty(settings, client, ModelStore(settings))
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(settings.data_dir).free
    if free < size + _ROOM_BYTES:
        raise UserError(
            f"The disk of {settings.data_dir} has {free / MEGABYTE:,.0f} MB free, and the backup needs "
            f"{(size + _ROOM_BYTES) / MEGABYTE:,.0f} MB.",
            "Free some space, or choose a folder on another disk with DATA_DIR.",
        )


def restore(settings: Settings, client: redis.Redis, backup: Reader, say: Say, told: Told) -> Restored:
    """Bring everything back, or leave nothing behind. `require_place` comes before.

    What breaks off when Redis has taken all is brought to its end. Should it not say whether it has, files stay.

    Args:
        settings: where models and checkpoints are to be.
        client: of Redis; one that waits long for a reply.
        backup: checked.
        say: takes lines about what is done.
        told: hears how far it is.

    Raises:
        UserError: somebody is at work there by now, or the backup cannot be read.
        redis.RedisError: Redis cannot be reached.
        OSError: something cannot be written.
    """
    store = ModelStore(settings)
    state = _State(backup, settings, now_ms(client))
    done = Restored(backup.description, len(backup.models), checkpoints=len(backup.jobs))
    mark, committing = secrets.token_hex(16), False
    try:
        _restore_files(settings, store, backup, told)
        say(f"models: {done.models:,}, checkpoints: {done.checkpoints:,}")
        unstage(client)
        unmark(client)
        stage(client, state.entries(), mark)
        os.sync()  # before anything names them
        _require_nobody(client)
        committing = True
        if (key := commit(client, mark)) is not None:
            raise UserError("Somebody began to use this Redis meanwhile.", f"Restore onto an empty one (`{key!r}`).")
    except BaseException:
        committed = _is_committed(client, mark) if committing else False
        if committed is None:
            say(
                "Redis doesn't say whether it has taken its part, so models and checkpoints stay where they are. Once "
                "it is there again, give this command again: if it finds keys in Redis, all is restored, and you can "
                "start; if it finds only files, delete them, and restore again."
            )
            raise
        if not committed:
            say("breaking off: what was restored so far is removed")
            _undo(settings, client, store, backup)
            raise
        say("Redis had taken its part by then: this goes on to the end")
    say(f"Redis: {count(state.count, 'key')}")
    done.expired, done.without_files = state.expired, state.without_files
    try:
        unmark(client)
        done.trainings = _go_on(settings, client)
        with suppress(redis.ResponseError):  # asked of a server that knows the command, and has an append-only file
            client.execute_command("WAITAOF", 1, 0, 10_000)
    except redis.RedisError as error:
        say(f"All is restored, but Redis went away then ({type(error).__name__}): the bot will send what waits")
    return done


class _State:
    """Redis' part of a backup, read once to see that all of it can be used, and then again to be entered."""

    def __init__(self, backup: Reader, settings: Settings, now: int) -> None:
        self._backup = backup
        self._settings = settings
        self._now = now
        self.count = self.expired = 0
        self.without_files: list[str] = []
        self._gone: set[bytes] = set()
        prefix = keys.model("").encode()
        for entry in self._read():
            if kind_of(entry.key) is not Kind.KEPT:
                raise damaged()
            model_id = entry.key.removeprefix(prefix)
            if entry.key.startswith(prefix) and model_id.decode() not in backup.models:
                self._gone.add(model_id)
                with suppress(ValueError, KeyError):  # another version's: then its id must do
                    self.without_files.append(str(json.loads(entry.values[0])["name"]))

    def entries(self) -> Iterator[Entry]:
        """What is to be entered: nothing whose time is over, and no model without files."""
        needed: set[bytes] = set()
        for found in self._read():
            entry = found
            if is_job(entry):
                needed |= _texts(entry)
            if entry.key in needed and entry.expires_ms is not None:
                # A training that is not over needs its text; what it was before is one more sign of life.
                ttl_ms = int(3_600_000 * self._settings.corpus_ttl_hours)
                entry = replace(entry, expires_ms=max(entry.expires_ms, self._now + ttl_ms))
            if entry.expires_ms is not None and entry.expires_ms <= self._now:
                self.expired += 1
                continue
            if entry.key.removeprefix(keys.model("").encode()) in self._gone:
                continue
            if self._gone and _CHOICES.fullmatch(entry.key):
                left = {name: value for name, value in entry.pairs.items() if value not in self._gone}
                entry = replace(entry, values=tuple(part for pair in left.items() for part in pair))
            self.count += 1
            yield entry

    def _read(self) -> Iterator[Entry]:
        tar, source = self._backup.state()
        with tar, source, gzip.open(source) as lines:
            try:
                for line in lines:
                    yield Entry.from_line(line)
            except (ValueError, EOFError, OSError) as error:
                raise damaged() from error


def _texts(job: Entry) -> set[bytes]:
    """The text, other than a channel's words, that a job needs if it is a training that is not over."""
    fields = job.pairs
    if b"job" not in fields or b"over" in fields:
        return set()
    try:
        training = TrainJob.model_validate_json(fields[b"job"])
    except ValidationError:  # it is no training, or another version's
        return set()
    if training.corpus.transcript is not None:  # what members said is kept as long as was promised, and no longer
        return set()
    return {keys.corpus(training.corpus.sha256).encode()}


def _require_nobody(client: redis.Redis) -> None:
    """Refuse while somebody is at work."""
    for service, name in ((presence.BOT, "a bot"), (TRAIN_QUEUE, "a train worker"), (GENERATE_QUEUE, "a worker")):
        if presence.alive(client, service):
            raise UserError(f"There is {name} at work on this Redis.", "Stop bot and workers, and try again.")


def _require_empty(settings: Settings, client: redis.Redis, store: ModelStore) -> None:
    """Refuse to mix two installations."""
    found = []
    if present := kept_keys(client):
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


def _restore_files(settings: Settings, store: ModelStore, backup: Reader, told: Told) -> None:
    for left in settings.data_dir.glob(f"{_TEMPORARY}*"):  # by one that was killed
        shutil.rmtree(left)
    with tempfile.TemporaryDirectory(prefix=_TEMPORARY, dir=settings.data_dir) as temporary:
        for folder in backup.unpack(Path(temporary), told):
            if folder.parent.name == MODELS:
                store.save(folder, folder.name)
            elif folder.parent.name == CHECKPOINTS:
                place = JobFiles.of(settings, folder.name).folder
                place.parent.mkdir(parents=True, exist_ok=True)
                folder.rename(place)
                continue
            shutil.rmtree(folder)


def _is_committed(client: redis.Redis, mark: str) -> bool | None:
    """Whether Redis has taken all; None: it does not say. Its files are worth a wait, as for a restart of it."""
    give_up = time.monotonic() + _SETTLED_WITHIN_S
    while True:
        try:
            return settle(client, mark)
        except redis.RedisError as error:
            log.warning("redis_unreachable", error=type(error).__name__)
            if time.monotonic() >= give_up:
                return None
        time.sleep(1)


def _undo(settings: Settings, client: redis.Redis, store: ModelStore, backup: Reader) -> None:
    for model_id in backup.models:
        store.delete(model_id)
    for job_id in backup.jobs:
        JobFiles.of(settings, job_id).discard()
    unstage(client)


def _go_on(settings: Settings, client: redis.Redis) -> int:
    """Let what ran wait again, as after an orderly stop, and send all that wait; how many do.

    Should this be cut short, the bot does the same for each, later (`LiveCard`).
    """
    active = cast(list[bytes], client.hkeys(keys.ACTIVE))
    for job_id in (name.decode() for name in active):
        if not client.hexists(keys.job(job_id), "job"):  # a month has passed
            run_script(client, turns.close(job_id))
        elif client.zscore(keys.WAITING, job_id) is None:
            client.hset(keys.job(job_id), "deaths", "0")  # its worker was well
            run_script(client, turns.regain(job_id, Interrupted().model_dump_json(), Queued().model_dump_json()))
    waiting = cast(list[bytes], client.zrange(keys.WAITING, 0, -1))
    celery = Celery("galvanic-restore", broker=settings.broker_url)
    celery.conf.update(task_serializer="json", task_ignore_result=True, broker_use_ssl=settings.redis_tls)
    with celery:
        for job_id in (name.decode() for name in waiting):
            data = cast(bytes | None, client.hget(keys.job(job_id), "job"))
            try:
                messages.send(celery, TrainJob.model_validate_json(data or b""), job_id)
            except (ValidationError, OperationalError) as error:
                log.warning("token_not_sent", job_id=job_id, error=type(error).__name__)
    return len(waiting)
