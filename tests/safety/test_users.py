"""What Redis' users are refused, on a real server with deploy/redis/users.acl and deploy/redis/start.sh."""

import contextlib
import os
import secrets
import shutil
import subprocess
from pathlib import Path

import psutil
import pytest
import redis

from shared import keys, lifecycle
from shared.events import Cancelled
from tests.factories import train_job
from tests.processes import wait_until
from tests.safety.server import FOLDER, ONCE, START, USERS, Server

pytestmark = pytest.mark.process

READING = "0123456789abcdef01234567"
DANGEROUS = (
    "FLUSHALL",
    "KEYS *",
    "CONFIG SET dir /tmp",
    "ACL SETUSER worker allkeys",
    "SHUTDOWN NOSAVE",
    "MONITOR",
    "CLIENT KILL TYPE normal",
    "REPLICAOF 127.0.0.1 1",
    "SCRIPT FLUSH",
    "FUNCTION FLUSH",
    "MIGRATE 127.0.0.1 1 job:1 0 10",
    "SORT jobs:history GET *",
)


@pytest.fixture(autouse=True)
def _some_keys(server: Server) -> None:
    with server.client("admin") as client:
        client.hset(keys.consent(1), "2", "{}")
        client.set(keys.guild_settings(1), "{}")


OF_THE_BOT = (  # and the keys that test_acl.py finds in the code
    f"EXPIRE {keys.job_text('t-1')} 1000000",
    f"PERSIST {keys.job_text('t-1')}",
    f"GETEX {keys.job_text('t-1')} PERSIST",
    f"SET {keys.job_text('t-1')} x",
    f"EXPIRE {keys.job_authors('t-1')} 1000000",
    "PUBLISH /0.celery.pidbox x",
    "PUBLISH somewhere x",
    "SCAN 0",
    "RANDOMKEY",
    "DBSIZE",
    "CLIENT TRACKING ON BCAST",
    "CLIENT TRACKING ON",
    "CLIENT CACHING YES",
    f"HSET {keys.consent(1)} 2 {{}}",
    f"OBJECT ENCODING {keys.consent(1)}",
    f"MEMORY USAGE {keys.consent(1)}",
    f"WATCH {keys.consent(1)}",
    "SLOWLOG GET",
    "PUBSUB CHANNELS",
    "SUBSCRIBE __keyevent@0__:set",
    "PSUBSCRIBE *",
    "PSUBSCRIBE __key*__:*",
    "SUBSCRIBE somewhere",
    "GET somebody:elses",
)
OF_THE_WORKERS = (
    "HGETALL unacked",
    "ZADD unacked_index 1 a",
    "SET restoring:a 1",
    "PUBLISH /0.celery.pidbox x",
    "GET a:b",
)
REFUSED = {
    "bot": DANGEROUS + OF_THE_WORKERS,
    "worker": DANGEROUS + OF_THE_BOT,
    "admin": ("SHUTDOWN", "CONFIG SET dir /tmp", "ACL SETUSER x on", "MODULE LIST", "FLUSHALL", "RESTORE a 0 b"),
}


@pytest.mark.parametrize(("user", "command"), [(user, command) for user in REFUSED for command in REFUSED[user]])
def test_nobody_changes_the_server_or_sees_what_is_not_theirs(server: Server, user: str, command: str) -> None:
    with server.client(user) as client, pytest.raises(redis.exceptions.NoPermissionError):
        client.execute_command(*command.split())


@pytest.mark.parametrize(
    "call", [f"'HGETALL', '{keys.consent(1)}'", f"'HGETALL', '{keys.reading_members(READING)}'", "'SCAN', 0"]
)
def test_a_worker_does_not_by_way_of_a_script_either(server: Server, call: str) -> None:
    with server.client("worker") as client, pytest.raises(redis.ResponseError, match="ACL failure in script"):
        client.eval(f"return redis.call({call})", 0)


def test_a_worker_that_ends_a_job_deletes_its_text(server: Server) -> None:
    job = train_job()
    text, authors = keys.job_text(job.job_id), keys.job_authors(job.job_id)
    with server.client("bot") as bot, server.client("worker") as worker:
        assert bot.eval(*lifecycle.enter(job, "n", b"words")) == b"entered"
        bot.set(authors, b"1111")
        begin = lifecycle.begin(job.job_id, 1, "n", holder="h", worker="w", training=True)
        assert worker.eval(*begin) is not None
        assert (worker.get(text), worker.get(authors)) == (b"words", b"1111")
        end = lifecycle.tell(job.job_id, "1-2", Cancelled().model_dump_json(), last=True, progress=False)
        assert worker.eval(*end) == 1
        assert not bot.exists(text, authors)


def test_redis_folder_copied_by_tar_comes_back(tmp_path: Path) -> None:
    """As docs/operations.md says it of a Redis that `make run` did not start."""
    copy = tmp_path / "redis.tar"
    with Server() as lost:
        with lost.client("bot") as client:
            client.hset(keys.consent(1), "2", "{}")
            client.set(keys.job("t-1"), "words", px=200)
        lost.stop()
        subprocess.run(["tar", "-C", lost.data, "-cf", copy, "appendonlydir"], check=True)
    with Server() as new:
        new.stop()
        shutil.rmtree(new.data / "appendonlydir")  # it was never started
        subprocess.run(["tar", "-C", new.data, "-xf", copy], check=True)
        new.start()
        with new.client("bot") as client:
            assert client.hgetall(keys.consent(1)) == {b"2": b"{}"}
            wait_until(lambda: not client.exists(keys.job("t-1")))


def test_without_name_and_password_nobody_gets_in(server: Server) -> None:
    with redis.Redis(port=server.port, retry=ONCE) as stranger, pytest.raises(redis.AuthenticationError):
        stranger.ping()
    for user, password in (("default", ""), ("bot", server.passwords["worker"]), ("root", "x")):
        stranger = redis.Redis(port=server.port, username=user, password=password, retry=ONCE)
        with stranger, pytest.raises(redis.AuthenticationError):
            stranger.ping()


def test_the_health_check_knows_whether_redis_answers(server: Server) -> None:
    if shutil.which("valkey-cli") is None and shutil.which("redis-cli") is None:
        pytest.skip("neither valkey-cli nor redis-cli is here")
    check = ["sh", str(FOLDER / "health.sh")]
    assert subprocess.run(check, env=server.environment, timeout=20).returncode == 0
    elsewhere = server.environment | {"REDIS_RUN_DIR": str(server.data)}
    assert subprocess.run(check, env=elsewhere, timeout=20, stderr=subprocess.DEVNULL).returncode != 0


def test_no_password_is_in_a_list_of_processes_or_on_the_disk(server: Server) -> None:
    assert server.process is not None
    process = psutil.Process(server.process.pid)
    shown = " ".join([*process.cmdline(), *process.environ().values()])
    paths = [server.log, *server.run.rglob("*"), *server.data.rglob("*")]
    written = b"".join(path.read_bytes() for path in paths if path.is_file())
    for password in server.passwords.values():
        assert password not in shown
        assert password.encode() not in written
    assert {path.stat().st_mode & 0o077 for path in server.run.iterdir()} == {0}, "for the owner alone"


def test_it_forgets_nothing(server: Server) -> None:
    with server.client("admin") as client:
        config = client.config_get("*")
    expected = {"appendonly": "yes", "appendfsync": "everysec", "maxmemory-policy": "noeviction", "save": ""}
    assert expected.items() <= config.items()


@pytest.mark.parametrize("megabytes", [0, 20])
def test_what_was_deleted_leaves_the_disk_before_long(megabytes: int) -> None:
    """Beside little data and much, on a server of its own: others may be rewriting."""
    words = b"the gulls went home"
    with Server() as server, server.client("bot") as client, server.client("admin") as admin:
        client.set(keys.job_text("t-2"), secrets.token_bytes(megabytes * 2**20))  # which a rewrite can't compress
        wait_until(lambda: admin.info("persistence")["aof_base_size"] >= megabytes * 2**20, 20)

        def on_disk() -> bool:
            found = False
            for file in (server.data / "appendonlydir").iterdir():
                with contextlib.suppress(FileNotFoundError):  # it was just replaced
                    found = found or words in file.read_bytes()
            return found

        client.set(keys.job_text("t-1"), words)
        client.delete(keys.job_text("t-1"))
        wait_until(on_disk, 5)
        for _ in range(9):  # megabytes: as heartbeats write in a day
            client.set(keys.PROBE, b"x" * 2**20)
        client.delete(keys.PROBE)
        wait_until(lambda: not on_disk(), 20)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda at: (at / "redis_bot_password").unlink(), "redis_bot_password is not there"),
        (lambda at: (at / "redis_bot_password").write_text("short\n"), "fewer than 16 characters"),
        (
            lambda at: (at / "redis_bot_password").write_bytes((at / "redis_worker_password").read_bytes()),
            "the same password",
        ),
        (lambda at: (at / "redis_tls_cert").write_text("x"), "redis_tls_key cannot be read"),
    ],
)
@pytest.mark.parametrize("shell", ["sh", "busybox sh"])
def test_what_is_missing_is_said(tmp_path: Path, shell: str, change: object, said: str) -> None:
    if shutil.which(shell.split()[0]) is None:
        pytest.skip("no busybox here")
    for user in USERS:
        (tmp_path / f"redis_{user}_password").write_text(f"{user * 8}\n")
    change(tmp_path)  # type: ignore[operator]
    places = {"SECRETS_DIR": str(tmp_path), "REDIS_DATA_DIR": str(tmp_path), "REDIS_RUN_DIR": str(tmp_path)}
    environment = os.environ | places | {"REDIS_SERVER": "/bin/false"}
    done = subprocess.run([*shell.split(), str(START)], env=environment, capture_output=True, text=True, timeout=20)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert said in done.stderr
