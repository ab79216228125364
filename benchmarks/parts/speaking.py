"""Measure the bot while it speaks in a busy channel: how fast it answers, and its memory."""

import asyncio
import contextlib
import itertools
import time
from collections.abc import AsyncIterator

import psutil

from benchmarks import texts
from benchmarks.listener import Channels, Sent
from benchmarks.measure import percentile
from benchmarks.models import default_model
from benchmarks.parts.bot import MODEL, SEED
from benchmarks.product import Product, started
from benchmarks.record import Context
from tests.driver.client import PlaygroundClient

A_SECOND = 50
"""Messages in the busy channel."""
MESSAGES = 100_000
SETTLED = 20_000
"""Messages before memory is measured first: by then all is imported, and buffers have their size."""
_ANSWER_S = 60.0
_AT_ONCE = 32
_ENVIRONMENT = {f"{what}_COOLDOWN_S": "0" for what in ("TRAIN", "GENERATE", "CHAT")}


def speaking(context: Context) -> None:
    """Requests one after another beside a busy channel, in which the bot speaks or does not; then 100,000 messages."""
    folder = context.work / "speaking"
    with started(folder / "data", _ENVIRONMENT) as product:
        product.start("redis")
        product.start("playground")
        client = PlaygroundClient(product.address)
        plaza, office = client.create_channel("plaza"), client.create_channel("office")
        model, info = default_model(context.work), texts.book().info
        product.add_model(model, MODEL, client.world(), [plaza, office], info, "playground")
        product.start("generate")
        product.start("bot")
        asyncio.run(_answers(context, product, plaza, office))
        asyncio.run(_memory(context, product, plaza, office))


async def _answers(context: Context, product: Product, plaza: str, office: str) -> None:
    waited: dict[str, list[float]] = {"off": [], "2%": []}
    unasked = 0
    async with Channels(product.address) as seen:
        for _ in range(5):
            await _ask(seen, office)
        for how in list(waited) * (2 if context.quick else 5):
            await _choose(seen, plaza, how)
            async with _crowd(seen, plaza):
                before = len(seen.shown)
                answers = [await _ask(seen, office) for _ in range(10 if context.quick else 40)]
            waited[how] += answers
            unasked += (len(seen.shown) - before - len(answers)) if how != "off" else 0
    if not unasked:
        raise RuntimeError("the bot said nothing by itself: what was measured is not speaking")
    quiet, spoken = (percentile(waited[how], 95) for how in waited)
    context.record.values["bot.speaking_p95_over_quiet"] = spoken / quiet
    context.record.raw |= {
        "bot.speaking_p95_ms": 1_000 * spoken,
        "bot.speaking_quiet_p95_ms": 1_000 * quiet,
        "bot.speaking_texts": unasked,
    }


async def _memory(context: Context, product: Product, plaza: str, office: str) -> None:
    """Measure the megabytes that the bot's process grows by from the first messages to the last."""
    messages, settled = (MESSAGES // 10, SETTLED // 10) if context.quick else (MESSAGES, SETTLED)
    bot = psutil.Process(product.pids["bot"])
    begun = time.monotonic()
    async with Channels(product.address) as seen:
        await _choose(seen, plaza, "2%")
        await _write_all(seen, plaza, settled)
        await _ask(seen, office)
        before = bot.memory_info().rss
        await _write_all(seen, plaza, messages - settled)
        await _ask(seen, office)
    context.record.values["bot.speaking_growth_mb"] = (bot.memory_info().rss - before) / 1e6
    context.record.raw["bot.speaking_messages_per_s"] = messages / (time.monotonic() - begun)


async def _choose(seen: Channels, channel: str, how: str) -> None:
    for typed in ("!speak most 60", f"!speak {how}"):
        before = len(seen.shown)
        await seen.write(typed, channel, "ada")
        if not await seen.wait(lambda before=before: len(seen.shown) > before, _ANSWER_S):  # type: ignore[misc]
            raise RuntimeError(f"no answer to {typed}")


async def _ask(seen: Channels, channel: str) -> float:
    """Ask for a text; return the seconds until it was there."""
    sent = await seen.write(f"!generate {SEED}", channel, "ada")
    if not await seen.wait(lambda: seen.answered(sent), _ANSWER_S):
        raise RuntimeError(f"no text after {_ANSWER_S:g} s")
    return min(reply.written_at for reply in seen.replies(sent)) - sent.at


@contextlib.asynccontextmanager
async def _crowd(seen: Channels, channel: str) -> AsyncIterator[None]:
    """Write `A_SECOND` messages a second within the block."""
    writing: set[asyncio.Task[Sent]] = set()

    async def write() -> None:
        begun = time.monotonic()
        for number in itertools.count():
            await asyncio.sleep(max(0.0, begun + number / A_SECOND - time.monotonic()))
            task = asyncio.create_task(seen.write(_message(number), channel, "ben"))
            writing.add(task)
            task.add_done_callback(writing.discard)

    crowd = asyncio.create_task(write())
    try:
        yield
    finally:
        crowd.cancel()
        await asyncio.gather(*writing)


async def _write_all(seen: Channels, channel: str, count: int) -> None:
    """Write messages as fast as the playground takes them."""
    numbers = iter(range(count))

    async def write() -> None:
        for number in numbers:
            await seen.write(_message(number), channel, "ben")

    await asyncio.gather(*(write() for _ in range(_AT_ONCE)))


def _message(number: int) -> str:
    return f"message {number} of a busy evening, with a few words of no weight"
