"""The command of a Redis of our own, tried on the program that it is for."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from launcher.preflight import prepare_folders
from launcher.redis_server import own_redis, redis_command
from shared.settings import Settings

pytestmark = pytest.mark.process


def test_redis_understands_its_options_with_an_awkward_folder(tmp_path: Path) -> None:
    folder = tmp_path / "a b #c ;d %e 'f\" é"
    folder.mkdir()
    command = redis_command(tmp_path / "absent" / "redis.sock", folder)
    # It reads all options, changes to the folder, and ends because the socket's folder does not exist.
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert "FATAL CONFIG" not in result.stdout + result.stderr
    assert "nix socket" in result.stdout


def test_a_start_deletes_what_a_backup_that_was_killed_left(tmp_path: Path) -> None:
    folders = prepare_folders(tmp_path)
    kept = {folders.redis / "appendonlydir" / "appendonly.aof.1.base.rdb", folders.redis / "dump.rdb"}
    (folders.redis / "appendonlydir").mkdir()
    for path in (*kept, folders.redis / "backup.rdb", folders.redis / "temp-4711.rdb"):
        path.write_bytes(b"words")
    own_redis(Settings(data_dir=tmp_path), folders, folders.run)
    assert {path for path in folders.redis.rglob("*") if path.is_file()} == kept, "a dump.rdb is somebody's own"
