"""What `doctor` says of Redis: real servers, right and wrong ones."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis

from launcher.redis_server import find_redis_server
from shared import keys
from shared.settings import Settings
from worker.doctor import Finding, Level
from worker.doctor.redis_server import examine

pytestmark = pytest.mark.process

Start = Callable[..., redis.Redis]


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Starts a server with options of its own, to which the settings point."""
    folder = Path(tempfile.mkdtemp(prefix="galvanic-doctor-"))
    at = folder / "redis.sock"
    servers: list[subprocess.Popen[bytes]] = []

    def run(*options: str) -> redis.Redis:
        command = [find_redis_server(), "--port", "0", "--unixsocket", str(at), "--dir", str(folder), "--save", ""]
        servers.append(subprocess.Popen([*command, *options], stdout=subprocess.DEVNULL))
        monkeypatch.setenv("REDIS_URL", f"unix://{at}")
        client = redis.Redis.from_url(f"unix://{at}")
        until = time.monotonic() + 20
        while True:
            try:
                client.ping()
                return client
            except redis.ConnectionError:
                assert time.monotonic() < until
                time.sleep(0.02)

    yield run
    for server in servers:
        server.terminate()
        server.wait(20)
    shutil.rmtree(folder)


def found(topic: str = "redis") -> list[Finding]:
    return [finding for finding in examine(Settings()) if finding.topic == topic]


def test_one_that_keeps_what_it_is_given(start: Start) -> None:
    client = start("--appendonly", "yes")
    client.zadd(keys.workers("bot"), {"Galvanic": time.time() + 60})
    client.zadd(keys.workers("train"), {"train@here:1": time.time() + 60})
    client.hset(keys.worker_info("train"), "train@here:1", "NVIDIA A10G")
    (only,) = found()
    assert only.level == Level.OK
    assert "answers: " in only.problem
    assert [one.problem for one in found("bot")] == ["The bot is there: Galvanic"]
    train, generate = found("workers")
    assert train.problem == "Workers that train: train@here:1 on NVIDIA A10G"
    assert (generate.level, generate.problem) == (Level.NOTE, "No worker that writes is connected to this Redis now.")


def test_one_that_forgets(start: Start) -> None:
    start("--maxmemory-policy", "allkeys-lru", "--maxmemory", "64mb")
    answers, memory, policy = found()
    assert answers.level == Level.OK
    assert (memory.level, policy.level) == (Level.MEND, Level.MEND)
    assert "in memory alone" in memory.problem
    assert memory.commands[0] == "redis-cli CONFIG SET appendonly yes"
    assert "once it has 67 MB: its maxmemory-policy is allkeys-lru" in policy.problem


def test_a_user_without_the_rights(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    client = start("--appendonly", "yes")
    client.execute_command("ACL", "SETUSER", "half", "on", ">secret", "~*", "+@read", "+@connection")
    at = client.connection_pool.connection_kwargs["path"]
    monkeypatch.setenv("REDIS_URL", f"unix://half:secret@{at}")
    *_, refused = found()
    assert refused.level == Level.BROKEN
    assert "It says: " in refused.problem
    assert "eval" in refused.problem
    assert "secret" not in str(found())
    monkeypatch.setenv("REDIS_URL", f"unix://half:wrong@{at}")
    (wrong,) = found()
    assert wrong.level == Level.BROKEN
    assert "does not take the user name or the password" in wrong.problem


def test_the_look_changes_nothing(start: Start) -> None:
    client = start()
    examine(Settings())
    assert client.dbsize() == 0


def test_none_is_a_note_unless_one_was_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://bot:hidden@127.0.0.1:1/0")
    (named,) = found()
    assert named.level == Level.BROKEN
    assert "Redis at 127.0.0.1:1 cannot be reached" in named.problem
    assert "hidden" not in str(named)
