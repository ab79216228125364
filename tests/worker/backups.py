"""What the tests of backups share: an installation to back up, and an empty one."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import redis

from shared import keys, turns
from shared.events import Queued, Started
from shared.jobs import TrainJob
from shared.settings import Settings, get_settings
from tests import factories
from worker.cli import main
from worker.jobs.joblog import JobLog, run_script

FIXTURE = Path(__file__).parent.parent / "fixtures" / "format-2" / "char"


def add_model(client: redis.Redis, settings: Settings, model_id: str, *, files: bool = True) -> None:
    record = factories.record(model_id=model_id, name=f"name-{model_id}")
    client.set(keys.model(model_id), record.model_dump_json())
    client.hset(keys.guild_models(record.guild_id), record.name, model_id)
    if files:
        shutil.copytree(FIXTURE, settings.data_dir / "models" / model_id)


def add_training(client: redis.Redis, job_id: str, *, claimed: bool = False, **changes: Any) -> TrainJob:
    """One that waits, or that a worker runs."""
    job = factories.train_job(job_id=job_id, **changes)
    queued = Queued().model_dump_json()
    assert run_script(client, turns.enter(job, (901, 77), (99, 99), queued)) == b"entered"
    if claimed:
        assert run_script(client, turns.claim(f"token-{job_id}")) == job_id.encode()
        log = JobLog(client, job_id)
        log.begin()
        log.publish(Started(worker="w"))
    return job


def elsewhere(monkeypatch: pytest.MonkeyPatch, client: redis.Redis, tmp_path: Path) -> Settings:
    """From now on everything is on an empty machine."""
    client.flushall()
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "other"))
    get_settings.cache_clear()
    return get_settings()


def restored(capsys: pytest.CaptureFixture[str], path: Path) -> str:
    """Restore; what was said."""
    capsys.readouterr()
    assert main(["restore", str(path)]) == 0
    return capsys.readouterr().out


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    capsys.readouterr()
    assert main(list(arguments)) == 2
    return capsys.readouterr().err


def contents(client: redis.Redis) -> dict[bytes, Any]:
    """Every key with its value and its moment of expiry."""
    read = {
        b"string": client.get,
        b"hash": client.hgetall,
        b"set": client.smembers,
        b"zset": lambda key: client.zrange(key, 0, -1, withscores=True),
        b"list": lambda key: client.lrange(key, 0, -1),
        b"stream": lambda key: (client.xrange(key), client.xinfo_stream(key)["last-generated-id"]),
    }
    return {key: (read[client.type(key)](key), client.pexpiretime(key)) for key in client.scan_iter()}


def assert_untouched(client: redis.Redis) -> None:
    data = get_settings().data_dir
    assert client.keys() == []
    assert [path for path in data.rglob("*") if path.is_file()] == []
