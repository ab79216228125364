"""Fixtures for all tests: a real Redis, and settings that touch nothing of the developer's own."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
import redis

from launcher.redis_server import find_redis_server
from shared.settings import Settings, get_settings
from tests.s3 import S3Server

LONG = ("e2e/test_channels", "e2e/test_training_card", "e2e/test_first_light", "e2e/test_engine", "faults/test_killed")
"""Take minutes: first of their folder's, since what is begun last should end soon, or one process waits."""

MARKERS = {"browser": ("browser",), "e2e": ("e2e",), "faults": ("e2e", "faults")}
"""What all tests of a folder are marked with; of the faults those that `make test` runs, too, are not."""

hypothesis.settings.register_profile("untimed", deadline=None)  # a busy machine is no mistake
hypothesis.settings.load_profile("untimed")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent

    def folder_of(path: Path) -> str:
        return path.relative_to(here).parts[0]

    def is_long(path: Path) -> bool:
        return path.relative_to(here).with_suffix("").as_posix() in LONG

    for item in items:
        for marker in MARKERS.get(folder_of(item.path), ()):
            if marker != "faults" or item.get_closest_marker("keeps") is None:
                item.add_marker(marker)
    files = sorted(dict.fromkeys(item.path for item in items), key=lambda path: not is_long(path))
    turns: dict[Path, float] = {}
    for folder in {folder_of(path) for path in files}:
        own = [path for path in files if folder_of(path) == folder]
        turns |= {path: (place + 0.5) / len(own) for place, path in enumerate(own)}
    # What was found once (`fuzz/corpus`) goes first. The rest is mixed: while some files wait for what they have
    # started, others compute.
    items.sort(key=lambda item: 0.0 if folder_of(item.path) == "fuzz" else turns[item.path])


@pytest.fixture(autouse=True)
def _own_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """No `.env`, no variable and no secret of the developer's reaches a test."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.delenv("PORT", raising=False)
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    monkeypatch.setenv("SECRETS_DIR", str(tmp_path / "no-secrets"))
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setitem(Settings.model_config, "env_file", None)
    get_settings.cache_clear()
    yield
    get_settings.cache_clear()


@pytest.fixture(scope="session")
def redis_server() -> Iterator[str]:
    """The URL of a Redis server on a Unix socket of its own."""
    # pytest's own folders are too deep for a socket's path.
    folder = Path(tempfile.mkdtemp(prefix="galvanic-test-"))
    socket = folder / "redis.sock"
    server = subprocess.Popen(
        [find_redis_server(), "--port", "0", "--unixsocket", str(socket), "--dir", str(folder), "--save", ""],
        stdout=subprocess.DEVNULL,
    )
    url = f"unix://{socket}"
    client = redis.Redis.from_url(url)
    deadline = time.monotonic() + 20
    while True:
        try:
            client.ping()
            break
        except redis.ConnectionError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
    yield url
    server.terminate()
    server.wait(20)
    shutil.rmtree(folder)


@pytest.fixture
def redis_url(redis_server: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty Redis, which the settings point to."""
    redis.Redis.from_url(redis_server).flushall()
    monkeypatch.setenv("REDIS_URL", redis_server)
    get_settings.cache_clear()
    return redis_server


@pytest.fixture
def settings(redis_url: str) -> Settings:
    """Settings with an empty Redis and a data folder of the test's own."""
    return Settings()


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3Server]:
    """A real S3 server."""
    server = S3Server()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def s3(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> tuple[S3Server, str]:
    """The server, and a bucket of the test's own that the settings point to."""
    bucket = s3_server.bucket()
    for name, value in s3_server.environment(bucket).items():
        monkeypatch.setenv(name, value)
    get_settings.cache_clear()
    return s3_server, bucket
