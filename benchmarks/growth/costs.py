"""Measure what a message and a text cost in the whole product, with the playground in Discord's place."""

import asyncio
import statistics
import time
from pathlib import Path
from typing import Any

import psutil

from benchmarks.growth.simulation import redis_figures
from benchmarks.listener import Channels
from benchmarks.load import memory
from benchmarks.load.run import babble
from benchmarks.measure import seconds
from benchmarks.models import default_model
from benchmarks.product import Product, started
from benchmarks.texts import info
from galvanic.request import WriteRequest
from shared.settings import Settings
from tests.driver.client import PlaygroundClient
from worker.warm import WarmModels

_IDLE_S = 10.0
_ANSWER_S = 60.0
_UNTIMED = 10
_SEED = "the tide watches an old sailor"
_PARTS = ("redis", "playground", "generate", "train", "bot")


def costs(work: Path, messages: int = 300, texts: int = 100) -> dict[str, Any]:
    """Return the milliseconds of processor time by process, for each message that is not for the bot and each text.

    What the processes take while nothing happens is subtracted, and returned as well, as milliseconds a second. So is
    their memory after the texts, in megabytes.
    """
    text = babble()
    model = default_model(work, text)
    cooldowns = {"GENERATE_COOLDOWN_S": "0"}
    with started(work / "data", cooldowns) as product:
        for name in _PARTS[:2]:
            product.start(name)
        client = PlaygroundClient(product.address)
        channel = client.create_channel("room")
        product.add_model(model, "harbour", client.world(), [channel], info(text), "playground")
        for name in _PARTS[2:]:
            product.start(name)
        return asyncio.run(_measure(product, channel, messages, texts))


async def _measure(product: Product, channel: str, messages: int, texts: int) -> dict[str, Any]:
    async with Channels(product.address) as seen:

        async def generate() -> None:
            sent = await seen.write(f"!generate {_SEED}", channel, "ada")
            if not await seen.wait(lambda: seen.answered(sent), _ANSWER_S):
                raise RuntimeError("the bot gave no text")

        for _ in range(_UNTIMED):
            await generate()
        span = _Span(product)
        await asyncio.sleep(_IDLE_S)
        idle = span.end(_IDLE_S)
        span = _Span(product)
        for number in range(messages):
            await seen.write(f"nothing that the bot is asked, number {number}", channel, "ada")
        message = span.end(messages, idle)
        span = _Span(product)
        for _ in range(texts):
            await generate()
        text = span.end(texts, idle)
    sizes = memory.sizes(product.pids)
    return {"idle": idle, "message": message, "text": text, "memory_mb": {name: sizes[name]["rss"] for name in sizes}}


def loading(work: Path, models: int = 20) -> dict[str, float]:
    """Return the milliseconds of a text whose model is in memory, and of one whose model is first loaded from the
    disk; and the megabytes of a model in memory and on the disk."""
    file = default_model(work, babble())
    settings = Settings(_env_file=None, data_dir=work, model_store=str(work / "models"), warm_models=models)
    warm = WarmModels(settings)
    ids = [f"m{number}" for number in range(models + 1)]
    for model_id in ids:
        warm.store.save(file, model_id)
    requests = [WriteRequest(seed=_SEED, length=300)]
    warm.write_all(1, ids.pop(), requests)  # what the first text of a process compiles is no model's
    before = psutil.Process().memory_info().rss
    cold = [seconds(lambda model_id=model_id: warm.write_all(1, model_id, requests)) for model_id in ids]  # type: ignore[misc]
    after = psutil.Process().memory_info().rss
    return {
        "cold_ms": 1_000 * statistics.median(cold),
        "warm_ms": 1_000 * statistics.median(seconds(lambda: warm.write_all(1, ids[-1], requests)) for _ in ids),
        "memory_mb": (after - before) / models / 1e6,
        "file_mb": file.stat().st_size / 1e6,
    }


class _Span:
    """Processor time and Redis' work from its making to its end."""

    def __init__(self, product: Product) -> None:
        self._product = product
        self._begun = time.monotonic()
        self._before = self._look()

    def _look(self) -> dict[str, float]:
        looked = {}
        for name, pid in self._product.pids.items():
            times = psutil.Process(pid).cpu_times()
            looked[name] = 1_000 * (times.user + times.system)
        with self._product.redis() as client:
            looked["commands"] = redis_figures(client)["commands"]
        return looked

    def end(self, parts: float, idle: dict[str, float] | None = None) -> dict[str, float]:
        """Return the cost of each of so many parts, without the cost of an idle second."""
        seconds, after = time.monotonic() - self._begun, self._look()
        return {
            name: (after[name] - before - (seconds * idle[name] if idle else 0.0)) / parts
            for name, before in self._before.items()
        }
