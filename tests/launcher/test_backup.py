"""Backups by the launcher: a Redis for as long as it takes, and nothing left however it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.launcher.running import PATIENCE_S, ROOT, wait_until
from tests.processes import as_from_a_terminal, living

pytestmark = pytest.mark.process


@pytest.fixture
def data(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "data"
    yield folder
    for process in living("DATA_DIR", folder):
        process.kill()


@pytest.fixture
def restoring(data: Path) -> Iterator[subprocess.Popen[str]]:
    """A restore that waits for the backup on standard input."""
    process = subprocess.Popen(
        [sys.executable, "-m", "launcher", "restore", "-"],
        cwd=ROOT,
        env={**os.environ, "DATA_DIR": str(data)},
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=as_from_a_terminal,
    )
    assert process.stdin is not None
    assert process.stderr is not None
    assert "waiting for the backup" in process.stderr.readline()
    yield process
    if process.poll() is None:
        process.kill()
    process.wait()
    process.stdin.close()
    process.stderr.close()


def run(data: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "launcher", *arguments]
    environment = {**os.environ, "DATA_DIR": str(data)}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=PATIENCE_S)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_nothing_is_left_of_one_that_is_stopped(
    number: signal.Signals, data: Path, restoring: subprocess.Popen[str]
) -> None:
    assert len(living("DATA_DIR", data)) == 3  # launcher, Redis, worker
    restoring.send_signal(number)
    if number is signal.SIGKILL:
        if sys.platform != "linux":
            pytest.skip("only Linux tells")
        assert restoring.wait(PATIENCE_S) == -number
        assert restoring.stdin is not None
        restoring.stdin.close()  # as a shell would, which is told that the launcher has ended
    else:
        assert restoring.wait(PATIENCE_S) == 130
        assert not (data / "run" / "redis.url").exists()
    wait_until(lambda: not living("DATA_DIR", data))
    assert sorted(path.name for path in data.iterdir()) == ["logs", "redis", "run"]


def test_the_folder_is_locked_meanwhile_and_free_afterwards(data: Path, restoring: subprocess.Popen[str]) -> None:
    refused = run(data, "restore", str(ROOT / "Makefile"))
    assert refused.returncode == 2
    assert "already running" in refused.stderr
    assert "a backup is being restored" in refused.stderr
    restoring.terminate()
    restoring.wait(PATIENCE_S)
    assert "This file is no backup" in run(data, "restore", str(ROOT / "Makefile")).stderr
    assert living("DATA_DIR", data) == []


def test_what_is_missing_is_said(data: Path) -> None:
    assert "Say which backup" in run(data, "restore").stderr
    assert "There is no file" in run(data, "restore", str(data / "nothing.zip")).stderr
    assert "nothing to back up in" in run(data, "backup").stderr
    assert not data.exists()


def test_wrong_settings_end_as_no_restart_can_help(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METRICS_PORT", "none")
    done = run(data)
    assert done.returncode == os.EX_CONFIG
    assert "METRICS_PORT" in done.stderr
    assert not data.exists()
