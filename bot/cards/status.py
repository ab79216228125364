"""The card of `status`. Pure functions: data in, embed out."""

from __future__ import annotations

import math
import platform
from collections.abc import Mapping
from dataclasses import dataclass

import discord

from bot.escape import plain
from bot.jobs.fairness import Estimate
from bot.words import AMBER, GREEN, bar, duration, span
from shared.jobs import GENERATE_QUEUE, TRAIN_QUEUE
from shared.units import count

_MOST_LINES = 5
_LITTLE_ROOM = 0.05
"""Share of a disk that is mentioned when no more is left."""
_KINDS = ((TRAIN_QUEUE, "Training"), (GENERATE_QUEUE, "Generating"))


@dataclass(frozen=True)
class Running:
    """A training that runs: the share that is done, from 0 to 1, and what is left; None: not known."""

    share: float | None
    left: Estimate | None


@dataclass(frozen=True)
class Status:
    """What an admin sees: of all servers together, so that nobody learns of another one's.

    Attributes:
        workers: by queue: what they run on, with how many do.
        running: trainings that run.
        waiting: trainings that wait.
        next_begins: when the first of them begins; None: nobody can say, or none waits.
        texts_a_minute, median_s: answers in the last ten minutes, and how long people waited for one; None: none.
        texts_awaited: that people wait for now.
        latency_s: to Discord; None: not known yet.
        redis_bytes, redis_limit: its memory; None: not known, or without a limit.
        disk_free, disk_size: of the bot's data folder, in bytes; None: not known.
        guilds: servers that the bot is in.
        up_s: for how long the bot runs.
        version: Galvanic's.
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


def status(facts: Status) -> discord.Embed:
    """How all is, for an admin."""
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
    """Bytes as a person says them: `3.2 MB`, `78 GB`."""
    for unit, above in (("GB", 1e9), ("MB", 1e6)):
        if amount >= above:
            return f"{amount / above:.1f} {unit}" if amount < 10 * above else f"{amount / above:,.0f} {unit}"
    return f"{amount / 1e3:.0f} kB"
