"""Measure how the bot reads a channel: processor time, memory, and the pauses of its event loop."""

import asyncio
import contextlib
import functools
import itertools
import threading
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import psutil
import redis

from benchmarks.parts.bot import every, largest
from benchmarks.product import Product, started
from benchmarks.record import Context
from bot.channels.consent import ConsentStore
from shared import keys
from shared.connect import connect_async
from tests.driver.client import PlaygroundClient

MESSAGES = 100_000
QUICK_MESSAGES = 20_000
CHANNEL = "busy"
_WAIT_S = 600.0
_ASK_EVERY_S = 2.0
_PEOPLE = ("ada", "ben", "cleo")
"""The people who agreed, of four who talk in the channel."""
_ENVIRONMENT = {"CHANNEL_TRAINING": "opt-in", "TRAIN_COOLDOWN_S": "0", "GENERATE_COOLDOWN_S": "0"}


def reading(context: Context) -> None:
    """Measure a long channel in the local Discord, which answers at once, while people ask for something."""
    messages = QUICK_MESSAGES if context.quick else MESSAGES
    folder = context.work / "reading"
    with started(folder / "data", _ENVIRONMENT) as product:
        product.start("redis")
        product.start("playground")
        client = PlaygroundClient(product.address)
        channel = client.create_channel(CHANNEL, history=messages)
        asyncio.run(_agree(product, client, channel))
        lines = folder / "probe.jsonl"
        process = psutil.Process(product.start("bot", probe=lines).process.pid)
        client.wait_for_bot()
        client.wait_for(lambda: "catalogue" in client.world().commands, 60, "the commands")
        with product.redis() as connection:
            _read(context, client, connection, process, lines, messages)


async def _agree(product: Product, client: PlaygroundClient, channel: str) -> None:
    """An admin allows the channel, and people agree."""
    world, connection = client.world(), connect_async(product.settings)
    consents, guild_id = ConsentStore(settings=product.settings, client=connection), int(world.guild_id)
    await consents.allow(guild_id, int(channel), int(world.users["ada"]))
    for person in _PEOPLE:
        await consents.agree(guild_id, int(world.users[person]))
    await connection.aclose()


def _read(
    context: Context,
    client: PlaygroundClient,
    connection: redis.Redis,
    process: psutil.Process,
    lines: Path,
    messages: int,
) -> None:
    """Have the channel read, and measure from the command to the training that waits in the queue.

    Raises:
        RuntimeError: not all was read.
    """
    time.sleep(2)  # what a start still does
    before, begun, cpu = process.memory_info().rss / 1e6, time.time(), _cpu_s(process)
    sent = client.send(f"!train #{CHANNEL} --name busy")
    job_id = f"t-{sent['id']}"
    with _asking(client) as waited:
        client.wait_for(
            lambda: connection.hget(keys.job(job_id), "state") == b"waiting", _WAIT_S, "the channel to be read"
        )
        cpu, ended = _cpu_s(process) - cpu, time.time()
    packed = cast(bytes, connection.get(keys.job_text(job_id)))
    kept = zlib.decompress(packed).count(b"\n")
    if kept < messages / 3:
        raise RuntimeError(f"of {messages:,} messages only {kept:,} were kept")
    record = context.record
    scale = MESSAGES / messages
    record.values["history.cpu_s_100k"] = cpu * scale
    record.values["history.rss_growth_mb"] = largest(lines, "peak_mb") - before
    record.values["history.loop_pause_ms"] = largest(lines, "pause", begun, ended)
    record.raw |= {
        "history.seconds_100k": (ended - begun) * scale,
        "history.kept_lines": kept,
        "history.own_pause_ms": largest(lines, "own_pause", begun, ended),
        "history.collection_ms": largest(lines, "collection", begun, ended),
        "history.pauses_ms": every(lines, "pause", begun, ended),
        "history.help_waited_s": waited,
        "history.compressed_mb": len(packed) / 1e6,
    }


@contextlib.contextmanager
def _asking(client: PlaygroundClient) -> Iterator[list[float]]:
    """Ask for help in another channel again and again; how long each answer took, in seconds."""
    waited: list[float] = []
    stop = threading.Event()

    def ask() -> None:
        for _ in itertools.count():
            if stop.wait(_ASK_EVERY_S):
                return
            begun = time.monotonic()
            sent = client.send("!catalogue", person="ben", channel="library")
            client.wait_for(functools.partial(client.messages, after=sent["id"], channel="library"), 60, "an answer")
            waited.append(time.monotonic() - begun)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield waited
    finally:
        stop.set()
        thread.join()


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)
