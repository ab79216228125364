"""The numbers that the bot shows: how long people wait, what waits in Redis, and who is there."""

import contextlib
import time
from collections.abc import Iterator
from typing import Any, cast

import redis
from prometheus_client import Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from shared import keys
from shared.connect import connect_once
from shared.jobs import GENERATE_QUEUE, TRAIN_QUEUE, is_id
from shared.presence import BOT
from shared.settings import Settings

CONNECTED = Gauge("galvanic_discord_connected", "1 while Discord's gateway is connected.")
TEXTS_WAITING = Gauge("galvanic_texts_waiting", "Texts that people wait for, queued or being written.")
ANSWER_SECONDS = Histogram(
    "galvanic_answer_seconds",
    "From a request for a text to the answer in the channel, by kind.",
    ("kind",),
    buckets=(0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300),
)
_PATIENCE_S = 2.0  # longest wait for Redis during a scrape
_SERVICES = (BOT, TRAIN_QUEUE, GENERATE_QUEUE)


class RedisFigures(Collector):
    """Figures of the whole installation, which Redis is asked for at each scrape."""

    def __init__(self, settings: Settings) -> None:
        self._client = connect_once(settings, _PATIENCE_S)

    def describe(self) -> tuple[Metric, ...]:
        """Return nothing, because registering would otherwise ask Redis before the bot runs."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Yield all families; while Redis is away, all but `galvanic_redis_up` are empty."""
        up = GaugeMetricFamily("galvanic_redis_up", "1 while Redis answers.")
        trainings = GaugeMetricFamily(
            "galvanic_trainings", "Trainings of all servers, by state: waiting or running.", labels=["state"]
        )
        processes = GaugeMetricFamily(
            "galvanic_processes", "Processes on all hosts, by service: bot, train or generate.", labels=["service"]
        )
        memory = GaugeMetricFamily(
            "galvanic_redis_memory_ratio", "Share of its maxmemory, or of its machine's memory, that Redis uses."
        )
        try:
            states = self._training_states()
            counts = {service: self._client.zcount(keys.workers(service), time.time(), "+inf") for service in _SERVICES}
            ratio = self._memory_ratio()
        except redis.RedisError:
            up.add_metric([], 0)
        else:
            up.add_metric([], 1)
            trainings.add_metric(["waiting"], states.count(b"waiting"))
            trainings.add_metric(["running"], states.count(b"begun"))
            for service, count in counts.items():
                processes.add_metric([service], count)
            if ratio is not None:
                memory.add_metric([], ratio)
        yield from (up, trainings, processes, memory)

    def _training_states(self) -> list[bytes | None]:
        ids = [job_id.decode(errors="replace") for job_id in cast(list[bytes], self._client.hkeys(keys.ACTIVE))]
        with self._client.pipeline(transaction=False) as pipe:
            for job_id in filter(is_id, ids):
                pipe.hget(keys.job(job_id), "state")
            return pipe.execute()

    def _memory_ratio(self) -> float | None:
        with contextlib.suppress(redis.ResponseError):  # its user may not ask
            info: dict[str, Any] = self._client.info("memory")
            used, limit = memory_of(info)
            most = limit or int(info.get("total_system_memory", 0))  # a provider's Redis may not tell
            return used / most if most else None
        return None


def memory_of(info: dict[str, Any]) -> tuple[int, int]:
    """Return the bytes that Redis holds, and its limit (0: none), from its `INFO memory`."""
    return int(info["used_memory"]), int(info.get("maxmemory", 0))
