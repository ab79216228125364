"""The generated configuration, read back by the program it is for."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from launcher.redis_server import find_redis_server, redis_config

pytestmark = pytest.mark.process

AWKWARD = "a b #c ;d %e 'f\" é"


def test_redis_understands_its_configuration(tmp_path: Path) -> None:
    folder = tmp_path / AWKWARD
    folder.mkdir()
    config = tmp_path / "redis.conf"
    config.write_text(redis_config(tmp_path / "absent" / "redis.sock", folder), encoding="utf-8")
    # It reads all options, changes to the folder, and ends because the socket's folder does not exist.
    result = subprocess.run(
        [find_redis_server(), str(config)], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert "Bad directive" not in result.stdout + result.stderr
    assert "FATAL CONFIG" not in result.stdout + result.stderr
    assert "nix socket" in result.stdout
