"""The server of the pages, the health command that asks it, and what Redis knows of the queues."""

from __future__ import annotations

import http.client
import json
import socket
import time
from collections.abc import Iterator

import pytest
import redis
from prometheus_client import CollectorRegistry, Counter

from bot.admin.metrics import Queues, read_figures
from shared import keys
from shared.connect import connect
from shared.metrics import UNKNOWN, Health, ask_health, disk, new_registry, served, version_of
from shared.settings import Settings
from tests.e2e.system import free_port
from tests.shared.test_logging import records, start


@pytest.fixture
def service() -> Iterator[tuple[Settings, list[str]]]:
    """The pages of a process whose problems can be changed."""
    registry, problems = CollectorRegistry(), list[str]()
    Counter("galvanic_tries", "Tries.", registry=registry).inc(3)
    settings = Settings(metrics_port=free_port())
    with served(settings, registry, lambda: Health("train", tuple(problems), "resting")) as port:
        assert port == settings.metrics_port
        yield settings, problems


def get(settings: Settings, path: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", settings.metrics_port, timeout=20)
    connection.request("GET", path)
    reply = connection.getresponse()
    return reply.status, reply.read().decode()


def test_numbers_and_health_are_served(service: tuple[Settings, list[str]]) -> None:
    settings, problems = service
    assert "galvanic_tries_total 3.0" in get(settings, "/metrics")[1]
    status, body = get(settings, "/health")
    assert (status, json.loads(body)) == (200, {"ok": True, "service": "train", "state": "resting", "problems": []})
    problems.append("It has no time.")
    status, body = get(settings, "/health")
    assert (status, json.loads(body)["problems"]) == (503, ["It has no time."])
    assert get(settings, "/elsewhere")[0] == 404


def test_the_health_command_asks_the_service_beside_it(service: tuple[Settings, list[str]]) -> None:
    settings, problems = service
    assert ask_health(settings, "train") == (True, [])
    problems.append("It has no time.")
    assert ask_health(settings, "train") == (False, ["It has no time."])
    everywhere = settings.model_copy(update={"metrics_host": "0.0.0.0"})
    assert ask_health(everywhere, "train") == (False, ["It has no time."])
    assert ask_health(settings, "bot") is None, "that is another service's port"
    assert ask_health(Settings(), "train") is None
    assert ask_health(Settings(metrics_port=free_port()), "train") is None


def test_a_port_that_cannot_be_had_is_said_and_stops_nothing() -> None:
    out = start(log_level="INFO")
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = Settings(metrics_port=other.getsockname()[1])
        elsewhere = Settings(metrics_port=free_port(), metrics_host="192.0.2.1")
        for settings in (Settings(), taken, elsewhere):
            with served(settings, CollectorRegistry(), lambda: Health("bot")) as port:
                assert port is None
    first, second = records(out)
    assert first["event"] == second["event"] == "metrics_not_served"
    assert first["problem"].startswith(f"127.0.0.1:{taken.metrics_port} cannot be had (Address already in use)")
    assert "192.0.2.1:" in second["problem"]


def test_the_queues_are_read_from_redis(settings: Settings) -> None:
    client, now = connect(settings), time.time()
    for job_id, job_state, age_s in (
        ("t-1", "waiting", 40),
        ("t-2", "waiting", 90),
        ("t-3", "begun", 900),
        ("g-5", "sent", 7),
    ):
        client.hset(keys.job(job_id), mapping={"state": job_state, "entered_at": now - age_s})
    client.hset(keys.ACTIVE, mapping={"t-1": "1", "t-2": "1", "t-3": "1"})
    client.lpush("generate", json.dumps({"headers": {"id": "g-5-1-ab12"}}), "no message")
    client.zadd(keys.workers("train"), {"one": now + 60, "gone": now - 60})
    client.hset(keys.STALE, "m", str(now - 100))
    figures = read_figures(client)
    assert figures["queue_jobs"] == {"train": 2, "generate": 2}
    assert figures["queue_oldest_seconds"] == {"train": pytest.approx(90, abs=20), "generate": pytest.approx(7, abs=6)}
    assert figures["trainings_running"] == figures["stale_models"] == {"": 1}
    assert figures["processes"]["train"] == 1
    assert figures["stale_models_oldest_seconds"][""] == pytest.approx(100, abs=20)
    assert figures["redis_memory_bytes"][""] > 100_000


def test_what_cannot_be_read_costs_no_other_number(settings: Settings) -> None:
    client = connect(settings)
    client.hset(keys.job("t-1"), "state", "waiting")
    client.hset(keys.ACTIVE, "t-1", "1")
    client.lpush("generate", "of another version")
    figures = read_figures(client)
    assert figures["queue_jobs"] == {"train": 1, "generate": 1}
    assert figures["queue_oldest_seconds"] == {"train": 0, "generate": 0}


def test_a_user_of_redis_who_may_not_ask_for_its_memory_sees_the_rest(settings: Settings) -> None:
    client = connect(settings)
    client.execute_command("ACL", "SETUSER", "limited", "on", ">secret", "~*", "+@all", "-info")
    path = client.connection_pool.connection_kwargs["path"]
    limited = redis.Redis(unix_socket_path=path, username="limited", password="secret")
    names = {family.name: len(family.samples) for family in Queues(limited).collect()}
    assert (names["galvanic_redis_up"], names["galvanic_redis_memory_bytes"]) == (1, 0)
    assert names["galvanic_queue_jobs"] == 2
    client.execute_command("ACL", "DELUSER", "limited")


def test_while_redis_is_away_that_is_all_that_is_shown() -> None:
    away = connect(Settings(redis_url="unix:///nowhere/redis.sock"))
    found = {family.name: [sample.value for sample in family.samples] for family in Queues(away).collect()}
    assert found.pop("galvanic_redis_up") == [0]
    assert not any(found.values())


def test_a_process_says_what_it_is_made_of(settings: Settings) -> None:
    registry = new_registry("train", settings.data_dir, own=version_of("redis"), neither=version_of("no-such-package"))
    labels = {"service": "train", "own": version_of("redis"), "neither": UNKNOWN}
    (sample,) = next(family for family in registry.collect() if family.name == "galvanic_build").samples
    assert labels.items() <= sample.labels.items()
    free, size = disk(settings.data_dir) or (0, 0)
    assert 0 < free < size, "also of a folder that is not there yet"
