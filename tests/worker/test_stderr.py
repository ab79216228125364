"""What is written past Python's logging: in the log, as records, whoever wrote it, and however it ended."""

from __future__ import annotations

import json
import os
import platform
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest
import redis

from shared import presence
from tests.hosts import Host
from tests.launcher.running import wait_until

pytestmark = pytest.mark.process

ROOT = Path(__file__).parent.parent.parent
SERVICE = """
import ctypes, os, sys, time
from worker.stderr import run_recorded
folder = run_recorded("train")
import structlog
from shared.logging import configure_logging
from shared.settings import read_settings
configure_logging("train", read_settings())
log = structlog.get_logger()
libc = ctypes.CDLL(None)
"""


def records(text: str) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in text.splitlines()]
    assert all(record["service"] == "train" for record in found)
    return found


def service(code: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run code as a service runs."""
    own = {"DATA_DIR": str(folder), "TMPDIR": str(folder), "LOG_FORMAT": "auto"} | environment
    command = [sys.executable, "-c", SERVICE + code]
    return subprocess.run(command, cwd=ROOT, env=os.environ | own, capture_output=True, text=True, timeout=120)


def test_what_tensorflow_says_when_it_is_imported_is_in_the_log(tmp_path: Path) -> None:
    code = "import tensorflow as tf; log.info('imported')"
    chatty = {"TF_ENABLE_ONEDNN_OPTS": "1", "TF_CPP_MIN_LOG_LEVEL": "0"}
    done = service(code, tmp_path, LOG_LEVEL="DEBUG", **chatty)
    assert (done.returncode, done.stdout) == (0, "")
    assert "imported" in [record["event"] for record in records(done.stderr)]
    if platform.machine() == "x86_64":
        assert "oneDNN custom operations are on" in done.stderr
    quiet = service(code, tmp_path, **chatty)
    told = records(quiet.stderr)
    assert "imported" in [record["event"] for record in told]
    assert "oneDNN" not in quiet.stderr, "information is for who debugs"


def test_levels_of_native_lines_are_kept(tmp_path: Path) -> None:
    lines = {
        "W0000 00:00:1795692307.496778   10607 alloc.cc:83] much memory": ("warning", "alloc.cc:83] much memory"),
        "2026-11-26 11:00:00.5: E tensorflow/cuda.cc:51] no card": ("error", "tensorflow/cuda.cc:51] no card"),
        "F0000 00:00:1795692307.496778   10607 mutex.cc:9] broken": ("critical", "mutex.cc:9] broken"),
        "redis://:geheim@host gone": ("warning", "redis://:[redacted]@host gone"),
        "{}": ("warning", "{}"),
    }
    done = service(f"os.write(2, {chr(10).join(lines)!r}.encode() + b'\\n\\n')\nprint('to stdout')", tmp_path)
    told = [(record["level"], record["event"]) for record in records(done.stderr)]
    assert told == [*lines.values(), ("warning", "to stdout")]
    assert done.stdout == ""


def test_the_last_words_of_a_crash_are_not_lost(tmp_path: Path) -> None:
    """More than a pipe holds, and at once afterwards the end, without a chance for any thread."""
    code = "log.info('before')\nfor i in range(20_000): libc.write(2, b'broken %05d\\n' % i, 13)\nlibc.abort()"
    done = service(code, tmp_path)
    events = [record["event"] for record in records(done.stderr)]
    assert events[0] == "before"
    assert events[1:-1] == [f"broken {number:05d}" for number in range(20_000)]
    told = {"event": "service_killed", "signal": "SIGABRT", "level": "error", "logger": "stderr", "service": "train"}
    assert records(done.stderr)[-1] | {"timestamp": ""} == told | {"timestamp": ""}
    assert done.returncode == -signal.SIGABRT
    assert list(tmp_path.iterdir()) == [], "its temporary folder is gone"


def test_it_ends_as_the_service_does(tmp_path: Path) -> None:
    assert service("sys.exit(78)", tmp_path).returncode == 78
    leaves = "import subprocess; subprocess.Popen(['sleep', '60'])"
    assert service(leaves, tmp_path).returncode == 0, "though somebody holds the pipe open"


def test_for_people_our_records_and_others_words_are_lines_alike(tmp_path: Path) -> None:
    done = service("log.info('hello', job=3)\nos.write(2, b'words\\n')", tmp_path, LOG_FORMAT="console")
    ours, others = done.stderr.splitlines()
    assert "[info" in ours
    assert "hello" in ours
    assert "job=3" in ours
    assert "[warning" in others
    assert "words" in others


def test_when_the_reader_is_killed_the_service_is_too(tmp_path: Path, redis_url: str) -> None:
    host = Host(tmp_path / "train0", "train", REDIS_URL=redis_url)
    words = host.data / "checkpoints" / "t-1" / "text.txt"
    words.parent.mkdir(parents=True)
    words.write_text("members' words of a training that is over")
    host.start()
    assert host.process is not None
    with redis.Redis.from_url(redis_url) as client:
        wait_until(lambda: presence.alive(client, "train"), 60)
    wait_until(lambda: not words.parent.exists(), 60)  # a worker that starts cleans up
    family = psutil.Process(host.process.pid).children(recursive=True)
    host.process.kill()
    host.process.wait(20)
    assert psutil.wait_procs(family, 20)[1] == []
