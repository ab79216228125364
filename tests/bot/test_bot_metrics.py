"""The numbers that the bot shows, and what `status` shows to whom."""

import time
from collections.abc import Iterator

import pytest
import redis
import redis.asyncio
from prometheus_client import REGISTRY, CollectorRegistry
from prometheus_client.metrics_core import Metric

from bot.admin.metrics import RedisFigures
from shared import keys
from shared.connect import connect
from shared.settings import Settings
from tests.bot.live import Live


def figures(settings: Settings) -> dict[tuple[str, ...], float]:
    """The values by name and label."""
    families = RedisFigures(settings).collect()
    return {(s.name, *s.labels.values()): s.value for family in families for s in family.samples}


def test_registering_asks_redis_nothing(settings: Settings) -> None:
    class Hanging(RedisFigures):
        def collect(self) -> Iterator[Metric]:
            raise TimeoutError

    CollectorRegistry(auto_describe=True).register(Hanging(settings))


def test_what_waits_and_who_is_there_is_read_from_redis(settings: Settings) -> None:
    client, now = connect(settings), time.time()
    for job_id, state in (("t-1", "waiting"), ("t-2", "waiting"), ("t-3", "begun")):
        client.hset(keys.job(job_id), "state", state)
        client.hset(keys.ACTIVE, job_id, "1")
    client.zadd(keys.workers("train"), {"one": now + 60, "gone": now - 60})
    read = figures(settings)
    assert 0 < read.pop(("galvanic_redis_memory_ratio",)) < 1
    assert read == {
        ("galvanic_redis_up",): 1,
        ("galvanic_trainings", "waiting"): 2,
        ("galvanic_trainings", "running"): 1,
        ("galvanic_processes", "bot"): 0,
        ("galvanic_processes", "train"): 1,
        ("galvanic_processes", "generate"): 0,
    }


def test_a_user_of_redis_who_may_not_ask_for_its_memory_sees_the_rest(settings: Settings) -> None:
    client = connect(settings)
    client.execute_command("ACL", "SETUSER", "limited", "on", ">secret", "~*", "+@all", "-info")
    path = client.connection_pool.connection_kwargs["path"]
    limited = Settings(redis_url=f"unix://limited:secret@{path}")
    try:
        read = figures(limited)
    finally:
        client.execute_command("ACL", "DELUSER", "limited")
    assert read["galvanic_redis_up",] == 1
    assert ("galvanic_redis_memory_ratio",) not in read


@pytest.mark.parametrize("memory", [{}, {"total_system_memory": 0}])
def test_a_redis_that_does_not_tell_its_machines_memory_shows_the_rest(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, memory: dict[str, int]
) -> None:
    monkeypatch.setattr(redis.Redis, "info", lambda _, __: {"used_memory": 5, **memory})  # as some providers' do
    read = figures(settings)
    assert read["galvanic_redis_up",] == 1
    assert ("galvanic_redis_memory_ratio",) not in read


def test_while_redis_is_away_that_is_all_that_is_shown() -> None:
    assert figures(Settings(redis_url="unix:///nowhere/redis.sock")) == {("galvanic_redis_up",): 0}


async def test_the_bot_says_whether_discord_is_there(live: Live) -> None:
    def connected() -> bool:
        return REGISTRY.get_sample_value("galvanic_discord_connected") == 1

    await live.until(connected, "the gateway")
    live.bot.dispatch("disconnect")
    await live.until(lambda: not connected(), "the bot to hear of it")


async def test_admins_see_the_short_form_and_others_only_whether_it_works(
    live: Live, client: redis.asyncio.Redis
) -> None:
    await client.zadd(keys.workers("train"), {"train@a:1": time.time() + 60, "train@b:2": time.time() + 60})
    await client.hset(keys.worker_info("train"), mapping={"train@a:1": "NVIDIA H100", "train@b:2": "NVIDIA H100"})
    ada = await live.ask("!status")
    for words in (
        "✅ 2 workers\nNVIDIA H100 (× 2)",
        "**Generating**: no worker is running",
        "2 servers",
        "0 running, 0 waiting",
        "0 in line",
        " GB free of ",
    ):
        assert words in ada
    assert not [name for guild in live.bot.guilds for name in (guild.name, str(guild.id)) if name in ada]
    ben = await live.ask("!status", person="ben")
    assert "worker running" in ben
    assert "H100" not in ben
    assert "free of" not in ben
