"""Fixtures for all tests: a real Redis, and settings that touch nothing of the developer's own."""

import functools
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import redis

from benchmarks import own_redis
from galvanic.machine import import_tensorflow
from shared.settings import Settings, get_settings
from tests.factories import changed_settings
from tests.s3 import S3Server

LONG = ("e2e/test_training_card", "e2e/test_first_light", "faults/test_killed", "safety/test_system")
"""Take minutes: first of their folder's, since what is begun last should end soon, or one process waits."""

MARKERS = {
    "browser": ("browser", "process"),
    "e2e": ("e2e", "process"),
    "faults": ("e2e", "faults", "process"),
    "images": ("images", "process"),
}
"""What all tests of a folder are marked with; of the faults those that `make test` runs, too, are not."""

STARTS_A_PROCESS = {"redis_server", "s3_server", "server", "run", "two_cards"}
"""Fixtures whose tests are marked `process`."""

COMPUTES = {"memorised", "classic", "one_and_two"}
"""Fixtures whose tests are marked `slow`."""

_NOT_FAST = re.compile(r"^pytestmark = .*pytest\.mark\.(slow|process)\b", re.MULTILINE)
_CANNOT_BE_FAST = ("browser", "e2e", "faults", "images")

_UNTIMED: dict[str, Any] = {"deadline": None, "suppress_health_check": [hypothesis.HealthCheck.too_slow]}
"""A busy machine is no mistake."""
hypothesis.settings.register_profile("untimed", **_UNTIMED)
hypothesis.settings.register_profile("many", max_examples=2_000, **_UNTIMED)  # `make test-fuzz`
hypothesis.settings.load_profile("untimed")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """`make test-fast` does not even import what is marked as a whole: TensorFlow alone takes seconds."""
    if "not slow" not in config.option.markexpr:
        return None
    if collection_path.is_dir():
        return collection_path.name in _CANNOT_BE_FAST or None
    if collection_path.suffix != ".py":
        return None
    return bool(_NOT_FAST.search(collection_path.read_text("utf-8"))) or None


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
        fixtures = set(getattr(item, "fixturenames", ()))
        if fixtures & STARTS_A_PROCESS:
            item.add_marker("process")
        if fixtures & COMPUTES:
            item.add_marker("slow")
    files = sorted(dict.fromkeys(item.path for item in items), key=lambda path: not is_long(path))
    turns: dict[Path, float] = {}
    for folder in {folder_of(path) for path in files}:
        own = [path for path in files if folder_of(path) == folder]
        turns |= {path: (place + 0.5) / len(own) for place, path in enumerate(own)}
    # Mixed: while some files wait for what they have started, others compute.
    items.sort(key=lambda item: turns[item.path])


_running: pytest.Item | None = None
"""The test that runs."""


def _guard(event: str, arguments: tuple[object, ...]) -> None:
    """Refuse what a test without the mark for it may not do, or `make test-fast` would not be fast for long."""
    if _running is None:
        return
    if event in ("subprocess.Popen", "os.fork", "os.posix_spawn") and _running.get_closest_marker("process") is None:
        raise AssertionError("a test that starts a process is to be marked `process`")
    if event == "import" and arguments[0] == "tensorflow" and _running.get_closest_marker("slow") is None:
        raise AssertionError("a test that computes with TensorFlow is to be marked `slow`")


sys.addaudithook(_guard)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    global _running
    _running = item
    try:
        return (yield)
    finally:
        _running = None


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Have what a training makes anew compiled by TensorFlow alone: XLA takes seconds for each, and tests train little.

    What modules compile once stays as it is, and so do trainings in processes of their own.
    """
    global _running
    if item.get_closest_marker("slow") and "tensorflow" not in sys.modules:
        _running = None  # it starts a process
        import_tensorflow()
        _running = item
    tensorflow: Any = sys.modules.get("tensorflow")
    if tensorflow is not None and not hasattr(tensorflow.function, "func"):
        function = tensorflow.function

        def uncompiled(*arguments: Any, jit_compile: bool = False, **options: Any) -> Any:
            return function(*arguments, **options)

        tensorflow.function = functools.wraps(function)(uncompiled)
        tensorflow.function.func = function


@pytest.fixture(autouse=True)
def _own_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """No `.env`, no variable and no secret of the developer's reaches a test, and no starter but one of its own."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.delenv("PORT", raising=False)
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    monkeypatch.setenv("SECRETS_DIR", str(tmp_path / "no-secrets"))
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setattr("galvanic.model_file.STARTER_FILE", tmp_path / "no-starter")
    monkeypatch.setitem(Settings.model_config, "env_file", None)
    get_settings.cache_clear()
    yield
    get_settings.cache_clear()


@pytest.fixture(scope="session")
def redis_server() -> Iterator[str]:
    """The URL of a Redis server on a Unix socket of its own."""
    # pytest's own folders are too deep for a socket's path.
    with tempfile.TemporaryDirectory(prefix="galvanic-test-") as folder, own_redis.redis_server(Path(folder)) as url:
        yield url


@pytest.fixture
def redis_url(redis_server: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty Redis, which the settings point to."""
    redis.Redis.from_url(redis_server).flushall()
    changed_settings(monkeypatch, REDIS_URL=redis_server)
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
    changed_settings(monkeypatch, **s3_server.environment(bucket))
    return s3_server, bucket
