"""What `doctor` says of Redis: real servers, right and wrong ones, and what stands in for one that speaks TLS."""

from __future__ import annotations

import datetime
import shutil
import socket
import ssl
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from launcher.redis_server import find_redis_server
from shared import keys
from shared.settings import Settings
from worker.doctor.findings import Finding, Level
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


def test_a_certificate_that_nobody_trusts(tls: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", f"rediss://127.0.0.1:{tls}/0")
    (refused,) = found()
    assert refused.level == Level.BROKEN
    assert "is of nobody whom this machine trusts" in refused.problem
    assert "REDIS_CA_FILE" in refused.remedy


def test_tls_where_there_is_none(redis_over_tcp: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", f"rediss://127.0.0.1:{redis_over_tcp}/0")
    (refused,) = found()
    assert "do not agree on TLS" in refused.problem


@pytest.fixture
def redis_over_tcp() -> Iterator[int]:
    """The port of something that answers a greeting of TLS as Redis does: it closes."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(
            target=_answer, args=(server, lambda peer: (peer.recv(1_000), peer.sendall(b"-ERR\r\n")))
        ).start()
        yield server.getsockname()[1]


@pytest.fixture
def tls(tmp_path: Path) -> Iterator[int]:
    """The port of a server whose certificate it signed itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(now).not_valid_after(now + datetime.timedelta(days=1))
    own, file = builder.sign(key, hashes.SHA256()), tmp_path / "server.pem"
    plain = serialization.NoEncryption()
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    file.write_bytes(private + own.public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(
            target=_answer, args=(server, lambda peer: context.wrap_socket(peer, server_side=True))
        ).start()
        yield server.getsockname()[1]


def _answer(server: socket.socket, how: Callable[[socket.socket], object]) -> None:
    """Take one connection, and end."""
    try:
        peer, _ = server.accept()
        with peer:
            how(peer)
    except OSError:  # it hung up, as it should
        pass
