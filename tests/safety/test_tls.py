"""Redis over TLS: each of our ways to it goes through, and none takes a certificate that it should not."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import redis
import trustme
from celery import Celery
from kombu.exceptions import OperationalError

from bot.background import redis_call
from bot.jobs.client import JobClient
from shared.connect import connect, connect_async, connect_once, explain
from shared.settings import Settings, SettingsError, get_settings, read_settings
from tests import factories
from tests.safety.server import ONCE, Server

pytestmark = pytest.mark.process

ROOT = Path(__file__).resolve().parents[2]
EXPIRED, OTHER_HOST = "has expired", "not valid for '127.0.0.1'"
STRANGER = "self-signed certificate in certificate chain"


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def secure(tls_program: str, authority: trustme.CA) -> Iterator[Server]:
    """A server that is to be called localhost, and nothing else."""
    yield from _serving(tls_program, authority)


@pytest.fixture(scope="module")
def expired(tls_program: str, authority: trustme.CA) -> Iterator[Server]:
    yield from _serving(tls_program, authority, not_after=datetime(2001, 1, 1, tzinfo=UTC))


def _serving(program: str, authority: trustme.CA, *, not_after: datetime | None = None, **env: str) -> Iterator[Server]:
    own = authority.issue_cert("localhost", not_after=not_after)
    (cert,) = own.cert_chain_pems
    certificates = {"cert": cert.bytes(), "key": own.private_key_pem.bytes(), "ca": authority.cert_pem.bytes()}
    with Server(program=program, certificates=certificates, **env) as server:
        yield server


@pytest.fixture
def ca(tmp_path: Path, authority: trustme.CA) -> Path:
    authority.cert_pem.write_to_path(tmp_path / "ours")
    return tmp_path / "ours"


@pytest.fixture
def stranger(tmp_path: Path) -> Path:
    """Somebody else's certificate."""
    trustme.CA().cert_pem.write_to_path(tmp_path / "theirs")
    return tmp_path / "theirs"


def as_user(
    monkeypatch: pytest.MonkeyPatch, server: Server, user: str, ca: Path | None, host: str = "localhost", **more: Path
) -> Settings:
    """The settings of one of our programs, as its environment would make them."""
    values = server.settings(user, tls=True)
    monkeypatch.setenv("REDIS_URL", values["REDIS_URL"].replace("localhost", host))
    monkeypatch.setenv("REDIS_PASSWORD", values["REDIS_PASSWORD"])
    for name, path in ({"redis_ca_file": ca} | more).items():
        if path is not None:
            monkeypatch.setenv(name.upper(), str(path))
    get_settings.cache_clear()
    return read_settings()


def celery_reaches(settings: Settings) -> None:
    """As the bot's and the worker's applications connect.

    Raises:
        OperationalError: it cannot.
    """
    app = Celery("test", broker=settings.broker_url)
    app.conf.update(broker_use_ssl=settings.redis_tls)
    with app.connection_for_read() as connection:
        connection.ensure_connection(max_retries=1, interval_start=0, timeout=5)
        connection.default_channel.client.llen("train")


async def test_every_client_goes_through(secure: Server, ca: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = as_user(monkeypatch, secure, "worker", ca)
    for make in (connect, connect_once):
        client = make(settings)
        assert client.ping()
        client.close()
    celery_reaches(settings)
    settings = as_user(monkeypatch, secure, "bot", ca)
    bots = connect_async(settings)
    assert await redis_call(bots.ping())
    await JobClient(settings, bots).submit(factories.generate_job(job_id="over-tls"))
    await bots.aclose()
    with secure.client("admin") as admin:
        assert admin.llen("generate") == 1
        admin.delete("generate")


async def _refused(settings: Settings) -> redis.RedisError:
    client = connect_async(settings)
    with pytest.raises(redis.ConnectionError) as caught:
        await redis_call(client.ping())
    await client.aclose()
    return caught.value


@pytest.mark.parametrize("case", [EXPIRED, OTHER_HOST, STRANGER, f"{STRANGER}, by the system's list"])
def test_no_client_takes_another_certificate(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, ca: Path, stranger: Path, case: str
) -> None:
    server: Server = request.getfixturevalue("expired" if case == EXPIRED else "secure")
    trusted = {EXPIRED: ca, OTHER_HOST: ca, STRANGER: stranger}.get(case)
    settings = as_user(monkeypatch, server, "bot", trusted, "127.0.0.1" if case == OTHER_HOST else "localhost")
    with pytest.raises(redis.ConnectionError) as caught:
        connect_once(settings).ping()
    errors = [caught.value, asyncio.run(_refused(settings))]
    with pytest.raises(OperationalError) as by_celery:
        celery_reaches(settings)
    for error in (*errors, by_celery.value):
        said = explain(error, settings)
        assert case.partition(",")[0] in said.problem
        assert said.remedy
        assert server.passwords["bot"] not in str(said)


def test_the_programs_say_so(secure: Server, monkeypatch: pytest.MonkeyPatch, stranger: Path) -> None:
    as_user(monkeypatch, secure, "worker", stranger)
    command = [sys.executable, "-m", "worker", "health", "generate"]
    done = subprocess.run(command, cwd=ROOT, env=os.environ, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert STRANGER in done.stderr
    assert "Traceback" not in done.stderr


def test_the_port_without_tls_can_be_closed(
    tls_program: str, authority: trustme.CA, ca: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for server in _serving(tls_program, authority, REDIS_PORT="0"):
        assert connect_once(as_user(monkeypatch, server, "bot", ca)).ping()
        with pytest.raises(redis.ConnectionError):
            redis.Redis(port=server.port, retry=ONCE).ping()


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"REDIS_CA_FILE": "ca"}, "nothing would be encrypted"),
        ({"REDIS_URL": "rediss://h:1", "REDIS_CA_FILE": "nowhere"}, "REDIS_CA_FILE cannot be used (No such file"),
        ({"REDIS_URL": "rediss://h:1", "REDIS_CA_FILE": "text"}, "REDIS_CA_FILE cannot be used (not in PEM"),
        ({"REDIS_URL": "rediss://h:1", "REDIS_CERT_FILE": "cert"}, "belong together"),
    ],
)
def test_files_that_cannot_be_used_are_refused_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, values: dict[str, str], said: str
) -> None:
    (tmp_path / "text").write_text("Call me Ishmael.")
    monkeypatch.setenv("REDIS_URL", "redis://h:1")
    for name, value in values.items():
        monkeypatch.setenv(name, value if name == "REDIS_URL" else str(tmp_path / value))
    with pytest.raises(SettingsError) as caught:
        read_settings()
    assert said in caught.value.problem
