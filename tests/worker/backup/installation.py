"""An installation with something to lose, and the empty one that its backup is for."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import redis

from shared import keys
from shared.events import Started
from shared.jobs import TrainJob
from shared.settings import Settings, get_settings
from tests import factories, lives
from tests.registered import put
from worker.cli import main
from worker.files import JobFiles
from worker.store import ModelStore

FIXTURE = Path(__file__).parent.parent.parent / "fixtures" / "format-3" / "char.safetensors"


class Installation:
    """What a worker's commands `backup` and `restore` work on.

    Args:
        client: its Redis.
        folder: of the test.

    Attributes:
        backup: where the backup goes.
    """

    def __init__(
        self, client: redis.Redis, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        self.client = client
        self.backup = folder / "kept" / "galvanic.zip"
        self._elsewhere = folder / "other"
        self._monkeypatch = monkeypatch
        self._capsys = capsys

    @property
    def settings(self) -> Settings:
        return get_settings()

    @property
    def data(self) -> Path:
        return self.settings.data_dir

    @property
    def store(self) -> ModelStore:
        return ModelStore(self.settings)

    def files_of(self, job_id: str) -> JobFiles:
        return JobFiles(self.settings, job_id)

    def contents(self) -> dict[bytes, Any]:
        """Every key of Redis with its value and its moment of expiry."""
        client = self.client
        read = {
            b"string": client.get,
            b"hash": client.hgetall,
            b"set": client.smembers,
            b"zset": lambda key: client.zrange(key, 0, -1, withscores=True),
            b"list": lambda key: client.lrange(key, 0, -1),
            b"stream": lambda key: (client.xrange(key), client.xinfo_stream(key)["last-generated-id"]),
        }
        return {key: (read[client.type(key)](key), client.pexpiretime(key)) for key in client.scan_iter()}

    def is_empty(self) -> bool:
        """Whether nothing was written, nor left behind."""
        return self.client.keys() == [] and not any(path.is_file() for path in self.data.rglob("*"))

    # ---------------------------------------------------------------------- what it has

    def add_model(self, model_id: str, *, files: bool = True) -> None:
        record = factories.record(model_id=model_id, name=f"name-{model_id}")
        put(self.client, record)
        self.client.hset(keys.guild_models(record.guild_id), record.name, model_id)
        if files:
            (self.data / "models").mkdir(parents=True, exist_ok=True)
            shutil.copy(FIXTURE, self.data / "models" / f"{model_id}.safetensors")

    def keep_models_in(self, address: str) -> None:
        """From now on the model store is there."""
        factories.changed_settings(self._monkeypatch, MODEL_STORE=address)

    def add_checkpoint(self, job_id: str, weights: bytes) -> JobFiles:
        files = self.files_of(job_id)
        files.checkpoint.mkdir(parents=True)
        (files.checkpoint / "checkpoint.safetensors").write_bytes(weights)
        return files

    # ---------------------------------------------------------------------- what is done with it

    def back_up(self) -> str:
        """Make the backup; what was said."""
        return self._run(0, "backup").out

    def not_backed_up(self) -> str:
        """Try to make the backup; why it was refused."""
        return self._run(2, "backup").err

    def elsewhere(self) -> None:
        """From now on everything is on an empty machine."""
        self.client.flushall()
        factories.changed_settings(self._monkeypatch, DATA_DIR=self._elsewhere)

    def restored(self) -> str:
        """Restore the backup; what was said."""
        return self._run(0, "restore").out

    def not_restored(self, path: Path | None = None) -> str:
        """Try to restore the backup, or another file; why it was refused."""
        return self._run(2, "restore", path).err

    def broken_off(self) -> str:
        """Begin to restore the backup; why it was broken off."""
        return self._run(1, "restore").err

    def _run(self, status: int, command: str, path: Path | None = None) -> Any:
        self._capsys.readouterr()
        assert main([command, str(path or self.backup)]) == status
        return self._capsys.readouterr()


def add_training(client: redis.Redis, job_id: str, *, claimed: bool = False, **changes: Any) -> TrainJob:
    """One that waits, or that a worker runs."""
    job = factories.train_job(job_id=job_id, **changes)
    lives.enter(client, job)
    client.hset(keys.job(job_id), "card", "901:77")
    if claimed:
        lives.take(client, job_id).publish(Started(worker="w"))
    return job
