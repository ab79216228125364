"""The server of a process's numbers, and the health check of a container."""

import logging
import socket
import time
import urllib.request
from collections.abc import Iterator

import pytest
from prometheus_client import REGISTRY

from shared import keys
from shared.connect import connect
from shared.metrics import disk, serve
from shared.presence import health_command
from shared.settings import Settings
from tests.s3 import free_port
from tests.shared.test_logging import records, start


@pytest.fixture(autouse=True)
def own_handlers() -> Iterator[None]:
    root = logging.getLogger()
    handlers = list(root.handlers)
    yield
    root.handlers[:] = handlers


def test_numbers_are_served_and_errors_counted(settings: Settings) -> None:
    server = serve(settings.model_copy(update={"metrics_port": free_port()}))
    assert server is not None
    before = REGISTRY.get_sample_value("galvanic_errors_total") or 0
    logging.getLogger("any").warning("no error")
    logging.getLogger("any").error("an error")
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{server.server_port}/metrics", timeout=20) as reply:
            page = reply.read().decode()
    finally:
        server.shutdown()
        server.server_close()
    assert f"galvanic_errors_total {before + 1}" in page
    assert "process_resident_memory_bytes" in page
    assert (REGISTRY.get_sample_value("galvanic_disk_free_bytes") or 0) > 0
    free, size = disk(settings.data_dir / "not there yet") or (0, 0)
    assert 0 < free < size


def test_a_port_that_cannot_be_had_is_said_and_stops_nothing() -> None:
    out = start(log_level="INFO")
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = Settings(metrics_port=other.getsockname()[1])
        elsewhere = Settings(metrics_port=free_port(), metrics_host="192.0.2.1")
        assert [serve(settings) for settings in (Settings(), taken, elsewhere)] == [None] * 3
    first, second = records(out)
    assert first["event"] == second["event"] == "metrics_not_served"
    assert first["problem"].startswith(f"127.0.0.1:{taken.metrics_port} cannot be had (Address already in use)")
    assert "192.0.2.1:" in second["problem"]


def test_a_process_is_well_while_redis_hears_of_it(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    heard, now = connect(settings), time.time()
    assert health_command(settings, "train", "@here:") == 1
    assert "Redis has heard of no such train process" in capsys.readouterr().err
    heard.zadd(keys.workers("train"), {"train-a@here:1": now + 60, "train-b@there:1": now - 60})
    assert health_command(settings, "train", "@here:") == 0
    assert health_command(settings, "train", "@there:") == 1
    assert health_command(settings, "bot") == 1
    away = settings.model_copy(update={"redis_url": Settings(redis_url="unix:///nowhere/redis.sock").redis_url})
    capsys.readouterr()
    assert health_command(away, "train", "@here:") == 1
    assert "Redis" in capsys.readouterr().err
