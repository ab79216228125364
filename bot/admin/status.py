"""What `status` tells an admin: counts of the whole installation, never whose they are."""

from __future__ import annotations

import math
import platform
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import discord
import redis.asyncio
from redis.exceptions import ResponseError

from bot.admin.metrics import BotMetrics, Texts
from bot.background import reply
from bot.escape import AMBER, GREEN, plain
from bot.jobs.snapshot import Snapshots
from bot.words import Estimate, bar, duration, span
from shared import keys
from shared.jobs import GENERATE_QUEUE, TRAIN_QUEUE
from shared.metrics.registry import disk, version_of
from shared.units import count

_MOST_LINES = 5
_LITTLE_ROOM = 0.05
"""Share of the disk; less is reported as a problem."""
_KINDS = ((TRAIN_QUEUE, "Training"), (GENERATE_QUEUE, "Generating"))


@dataclass(frozen=True)
class Running:
    """`share`: done, from 0 to 1; None: not known."""

    share: float | None
    left: Estimate | None


@dataclass(frozen=True)
class Status:
    """Of all servers together, so that nobody learns of another one's.

    Attributes:
        workers: by queue: (what they run on, how many do).
        next_begins: when the first waiting training begins; None: not known, or none waits.
        texts_a_minute, median_s: answers in the last ten minutes, and their median wait; None: there were none.
        texts_awaited: texts that people wait for now.
        latency_s: to Discord; None: not known yet.
        redis_bytes, redis_limit: its memory; None: not known, or without a limit.
        disk_free, disk_size: of the bot's data folder, in bytes; None: not known.
    """

    workers: Mapping[str, tuple[tuple[str, int], ...]]
    running: tuple[Running, ...]
    waiting: int
    next_begins: Estimate | None
    texts_a_minute: float
    median_s: float | None
    texts_awaited: int
    latency_s: float | None
    redis_bytes: int | None
    redis_limit: int | None
    disk_free: int | None
    disk_size: int | None
    guilds: int
    up_s: float
    version: str


class StatusReport:
    def __init__(
        self,
        client: discord.Client,
        connection: redis.asyncio.Redis,
        metrics: BotMetrics,
        trainings: Snapshots,
        texts: Texts,
        data_dir: Path,
    ) -> None:
        self._client = client
        self._redis = connection
        self._metrics = metrics
        self._trainings = trainings
        self._texts = texts
        self._data_dir = data_dir

    async def facts(self) -> Status:
        """Raises redis.RedisError."""
        outlook = await self._trainings.look(now=True)
        workers = await self._workers()
        memory, limit = await self._memory()
        a_minute, median_s = self._metrics.lately.summary(self._metrics.began)
        free_of = disk(self._data_dir)
        latency = self._client.latency
        return Status(
            workers={service: tuple(sorted(Counter(machines).items())) for service, machines in workers.items()},
            running=tuple(
                Running(one.progress.share if one.progress else None, one.ends)
                for one in outlook.trainings
                if one.place is None
            ),
            waiting=outlook.waiting,
            next_begins=next((one.begins for one in outlook.trainings if one.place == 0), None),
            texts_a_minute=a_minute,
            median_s=median_s,
            texts_awaited=self._texts.waiting,
            latency_s=latency if latency == latency else None,  # NaN until the first heartbeat is answered
            redis_bytes=memory,
            redis_limit=limit,
            disk_free=free_of[0] if free_of else None,
            disk_size=free_of[1] if free_of else None,
            guilds=len(self._client.guilds),
            up_s=time.monotonic() - self._metrics.began,
            version=version_of("galvanic"),
        )

    async def _workers(self) -> dict[str, list[str]]:
        """What each worker that is there runs on, by queue."""
        now = time.time()
        async with self._redis.pipeline(transaction=False) as pipe:
            for service, _ in _KINDS:
                pipe.zrangebyscore(keys.workers(service), now, "+inf")
                pipe.hgetall(keys.worker_info(service))
            found = cast(list[Any], await reply(pipe.execute()))
        return {
            service: [info.get(name, b"").decode() or "a machine" for name in alive]
            for (service, _), alive, info in zip(_KINDS, found[::2], found[1::2], strict=True)
        }

    async def _memory(self) -> tuple[int | None, int | None]:
        """Redis' memory in use and its limit, in bytes; None: this Redis user may not ask, or no limit."""
        try:
            told = cast(dict[str, Any], await reply(self._redis.info("memory")))
            return int(told["used_memory"]), int(told.get("maxmemory", 0)) or None
        except (ResponseError, KeyError, ValueError):
            return None, None


def status(facts: Status) -> discord.Embed:
    problems = _problems(facts)
    embed = discord.Embed(title="Status", colour=AMBER if problems else GREEN)
    embed.description = "\n".join(problems) if problems else "✅ Everything works."
    for queue, does in _KINDS:
        embed.add_field(name=does, value=_workers(facts.workers.get(queue, ())))
    embed.add_field(name="Discord", value=_discord(facts))
    embed.add_field(name="Trainings", value=_trainings(facts), inline=False)
    embed.add_field(name="Texts", value=_texts(facts))
    embed.add_field(name="Redis", value=_redis(facts))
    if facts.disk_free is not None and facts.disk_size is not None:
        embed.add_field(name="Disk", value=f"{size(facts.disk_free)} free of {size(facts.disk_size)}")
    libraries = f"discord.py {discord.__version__}, Python {platform.python_version()}"
    up = f"up for {duration(facts.up_s)}"
    embed.set_footer(text=f"All servers together · Galvanic {facts.version}, {up} · {libraries}")
    return embed


def _problems(facts: Status) -> list[str]:
    found = [f"⚠️ **{does}**: no worker is running." for queue, does in _KINDS if not facts.workers.get(queue)]
    if facts.disk_free is not None and facts.disk_size and facts.disk_free < _LITTLE_ROOM * facts.disk_size:
        found.append("⚠️ **The disk** is almost full: what is trained can't be saved then.")
    if facts.redis_bytes and facts.redis_limit and facts.redis_bytes > 0.9 * facts.redis_limit:
        found.append("⚠️ **Redis** has almost no memory left: no command is taken then.")
    return found


def _workers(machines: tuple[tuple[str, int], ...]) -> str:
    if not machines:
        return "⚠️ no worker"
    lines = [f"✅ {count(sum(number for _, number in machines), 'worker')}"]
    lines += [plain(name[:60]) + (f" (× {number})" if number > 1 else "") for name, number in machines[:_MOST_LINES]]
    if len(machines) > _MOST_LINES:
        lines.append(f"and {len(machines) - _MOST_LINES} other machines")
    return "\n".join(lines)


def _discord(facts: Status) -> str:
    away = "not heard of yet" if facts.latency_s is None else f"{facts.latency_s * 1000:.0f} ms away"
    return f"{away}\n{count(facts.guilds, 'server')}"


def _trainings(facts: Status) -> str:
    lines = [_running(one) for one in facts.running[:_MOST_LINES]]
    if len(facts.running) > _MOST_LINES:
        lines.append(f"and {len(facts.running) - _MOST_LINES} more that run")
    if facts.waiting:
        waits = "1 waits" if facts.waiting == 1 else f"{facts.waiting} wait"
        begins = facts.next_begins
        when = "" if begins is None else f", the next begins in {'a moment' if begins.seconds < 1 else span(begins)}"
        lines.append(f"🕓 {waits}{when}")
    return "\n".join(lines) or "None is running or waiting."


def _running(one: Running) -> str:
    if one.share is None:
        return "🧠 reading the text"
    left = "" if one.left is None else f", {span(one.left)} left"
    return f"🧠 `{bar(one.share)}` {math.floor(100 * one.share)} %{left}"


def _texts(facts: Status) -> str:
    if facts.median_s is None:
        lately = "none in the last ten minutes"
    else:
        lately = f"{facts.texts_a_minute:.1f} a minute\n{facts.median_s:.2f} s in the median"
    return lately + (f"\n{facts.texts_awaited} waited for" if facts.texts_awaited else "")


def _redis(facts: Status) -> str:
    if facts.redis_bytes is None:
        return "✅ answers"
    return f"✅ {size(facts.redis_bytes)}" + (f" of {size(facts.redis_limit)}" if facts.redis_limit else "")


def size(amount: int) -> str:
    """`3.2 MB`, `78 GB`."""
    for unit, above in (("GB", 1e9), ("MB", 1e6)):
        if amount >= above:
            return f"{amount / above:.1f} {unit}" if amount < 10 * above else f"{amount / above:,.0f} {unit}"
    return f"{amount / 1e3:.0f} kB"
