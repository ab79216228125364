"""The bot's metrics and health: Discord's answers and latency, the event loop, how long people wait, and the queues."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import re
import statistics
import time
from collections import deque
from collections.abc import Iterable, Iterator
from types import SimpleNamespace
from typing import Any

import aiohttp
import redis
from discord.ext import commands
from prometheus_client import Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from bot.gateway import RequestEnded
from bot.jobs.admission import Admission
from bot.types import Context
from shared import keys
from shared.connect import connect_once
from shared.jobs import GENERATE_QUEUE, TRAIN_QUEUE, is_id
from shared.metrics import PATIENCE_S, Health, new_registry, served, version_of
from shared.presence import BOT
from shared.settings import Settings

SERVICES = (BOT, TRAIN_QUEUE, GENERATE_QUEUE)
_FAMILIES = (
    ("queue_jobs", "queue", "Jobs that wait for a worker."),
    ("queue_oldest_seconds", "queue", "For how long the oldest of them has waited."),
    ("trainings_running", "", "Trainings that a worker has."),
    ("processes", "service", "Processes of all hosts that were heard of lately."),
    ("jobs_undelivered", "", "Jobs whose end has not been shown yet, running ones too."),
    ("stale_models", "", "Models that learned words which were withdrawn since."),
    ("stale_models_oldest_seconds", "", "For how long that is known of the oldest."),
    ("redis_memory_bytes", "", "What Redis holds in memory."),
    ("redis_memory_limit_bytes", "", "What it may hold; 0: as much as there is."),
)
_JOB_ID = re.compile(rb'"id": ?"([a-z]-[^-"]+)')
"""The job's, with which the id of a Celery message begins."""
Figures = dict[str, dict[str, float]]
"""Numbers by the metric's name and its label's value; without a label: ""."""


def read_figures(client: redis.Redis) -> Figures:
    """Three round trips. Raises redis.RedisError."""
    now = time.time()
    with client.pipeline(transaction=False) as pipe:
        pipe.hkeys(keys.ACTIVE)
        pipe.llen(GENERATE_QUEUE)
        pipe.lindex(GENERATE_QUEUE, -1)
        pipe.scard(keys.OUTBOX)
        pipe.hvals(keys.STALE)
        for service in SERVICES:
            pipe.zcount(keys.workers(service), now, "+inf")
        active, texts, next_text, undelivered, stale, *processes = pipe.execute()
    active = [job_id for job_id in active if is_id(job_id.decode(errors="replace"))]
    text = [found[1]] if (found := _JOB_ID.search(next_text or b"")) else []
    with client.pipeline(transaction=False) as pipe:
        for job_id in (*active, *text):
            pipe.hmget(keys.job(job_id.decode()), "state", "entered_at")
        records = pipe.execute()
    waiting = [entered for state, entered in records[: len(active)] if state == b"waiting"]
    figures = {
        "queue_jobs": {TRAIN_QUEUE: len(waiting), GENERATE_QUEUE: texts},
        "queue_oldest_seconds": {
            TRAIN_QUEUE: _oldest_s(waiting, now),
            GENERATE_QUEUE: _oldest_s([entered for _, entered in records[len(active) :]], now),
        },
        "trainings_running": {"": sum(state in (b"sent", b"begun") for state, _ in records[: len(active)])},
        "processes": dict(zip(SERVICES, processes, strict=True)),
        "jobs_undelivered": {"": undelivered},
        "stale_models": {"": len(stale)},
        "stale_models_oldest_seconds": {"": max(0.0, now - min(map(float, stale), default=now))},
    }
    with contextlib.suppress(redis.ResponseError):  # its user may not ask
        used, limit = memory_of(client.info("memory"))
        figures |= {"redis_memory_bytes": {"": used}, "redis_memory_limit_bytes": {"": limit}}
    return figures


def memory_of(told: dict[str, Any]) -> tuple[int, int]:
    """Bytes that Redis holds, and its limit (0: none), from its `INFO memory`."""
    return int(told["used_memory"]), int(told.get("maxmemory", 0))


def _oldest_s(entered: Iterable[bytes | None], now: float) -> float:
    return max((now - float(at) for at in entered if at is not None), default=0.0)


class Queues(Collector):
    def __init__(self, client: redis.Redis) -> None:
        self._client = client

    def collect(self) -> Iterator[Metric]:
        """All families, empty but for `galvanic_redis_up` while Redis is away."""
        figures: Figures | None = None
        with contextlib.suppress(redis.RedisError):
            figures = read_figures(self._client)
        yield GaugeMetricFamily("galvanic_redis_up", "1 while Redis answers.", value=float(figures is not None))
        for name, label, said in _FAMILIES:
            family = GaugeMetricFamily(f"galvanic_{name}", said, labels=[label] if label else [])
            for value, number in (figures or {}).get(name, {}).items():
                family.add_metric([value] if label else [], number)
            yield family


LOOP_STANDS_S = 15.0
"""An event loop stuck for this long is unhealthy; Discord waits 3 s for an answer."""
LAG_EVERY_S = 0.5
LATELY_S = 600.0
_MOST_LATELY = 5_000
_ANSWER_S = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
_ROUTE_WORDS = frozenset(
    {
        "applications", "attachments", "bans", "callback", "channels", "commands", "emojis", "gateway", "guilds",
        "interactions", "members", "messages", "oauth2", "permissions", "reactions", "roles", "threads", "typing",
        "users", "webhooks",
    }
)  # fmt: skip
"""Only these words of a path become a label; the rest are ids, tokens and names."""


def route_of(path: str) -> str:
    """The class of a Discord URL path: `channels/messages` for any message of any channel."""
    words = [word for word in path.split("/") if word in _ROUTE_WORDS]
    return "/".join(words[:1] + words[-1:] if len(words) > 1 else words) or "other"


class BotMetrics:
    """Counts what the bot does, and serves it. Times are monotonic.

    Attributes:
        trace: for discord.py's HTTP session: sees every answer of Discord's, also those that discord.py handles.
        leads: this bot speaks for its token; False: it waits until another one has stopped.
        logged_in: Discord has accepted the token.
        away_since: when Discord or its gateway went away; None: it is there, or was not missed.
        turned_at: when the event loop last came round.
        lately: when answers were given, and what each took.
    """

    def __init__(self, client: commands.Bot, settings: Settings, texts: Admission) -> None:
        self._settings = settings
        self._redis = connect_once(settings, PATIENCE_S)
        self.began = self.turned_at = time.monotonic()
        self.logged_in = self.leads = self.connected = False
        self.away_since: float | None = None
        self.lately: deque[tuple[float, float]] = deque(maxlen=_MOST_LATELY)
        libraries = {"discord_py": version_of("discord.py"), "aiohttp": version_of("aiohttp")}
        self.registry = new_registry("bot", settings.data_dir, **libraries)
        self.registry.register(Queues(self._redis))
        counter = functools.partial(Counter, registry=self.registry)
        histogram = functools.partial(Histogram, registry=self.registry)
        self.requests = counter(
            "galvanic_discord_requests",
            "Requests to Discord's REST interface, by what came back.",
            ("method", "route", "status"),
        )
        self.jobs = counter("galvanic_jobs", "Jobs that came to an end, by how.", ("kind", "outcome"))
        self.commands = histogram(
            "galvanic_command_seconds",
            "From a command's arrival to its answer in the channel.",
            ("command", "outcome"),
            buckets=_ANSWER_S,
        )
        self.answers = histogram(
            "galvanic_answer_seconds",
            "From a request to a worker (command, button or mention) to the answer in the channel.",
            ("kind",),
            buckets=_ANSWER_S,
        )
        self.lag = histogram(
            "galvanic_event_loop_lag_seconds",
            "How late the bot's event loop came round.",
            buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
        )
        # Read at each scrape, from another thread: so of single attributes only.
        for name, said, read in (
            ("discord_latency_seconds", "Time that a heartbeat to the gateway takes.", lambda: client.latency),
            ("discord_connected", "1 while the gateway is connected.", lambda: self.connected),
            ("leader", "1 while this bot speaks for its token; 0: it stands by.", lambda: self.leads),
            ("guilds", "Servers that the bot is in.", lambda: len(client.guilds)),
            ("texts_awaited", "Texts that people wait for.", lambda: texts.waiting),
            ("texts_oldest_seconds", "For how long the first of them has.", lambda: texts.oldest_s),
        ):
            Gauge(f"galvanic_{name}", said, registry=self.registry).set_function(read)
        self.trace = aiohttp.TraceConfig()
        self.trace.on_request_end.append(self._seen)
        self.trace.on_request_exception.append(self._seen)

    async def _seen(self, _: aiohttp.ClientSession, _context: SimpleNamespace, ended: RequestEnded) -> None:
        status = str(ended.response.status) if isinstance(ended, aiohttp.TraceRequestEndParams) else "none"
        if status != "101":  # the gateway, which is no request
            self.requests.labels(ended.method, route_of(ended.url.path), status).inc()

    def missed(self) -> None:
        """Discord, or its gateway, cannot be reached."""
        self.away_since = self.away_since or time.monotonic()

    def answered(self, kind: str, seconds: float) -> None:
        self.answers.labels(kind).observe(seconds)
        self.lately.append((time.monotonic(), seconds))

    def pace(self) -> tuple[float, float | None]:
        """Answers a minute in the last ten minutes, and their median seconds; None: there were none."""
        now = time.monotonic()
        took = [seconds for at, seconds in self.lately if now - at <= LATELY_S]
        over_s = max(60.0, min(LATELY_S, now - self.began))
        return len(took) * 60 / over_s, statistics.median(took) if took else None

    def ended(self, kind: str, outcome: str) -> None:
        """A job ended without a worker: `cancelled` while it waited, or `expired`."""
        self.jobs.labels(kind, outcome).inc()

    def replied(self, ctx: Context, outcome: str) -> None:
        """`outcome`: `done` or `refused`."""
        received = getattr(ctx, "received_at", None)
        if received is not None:
            name = ctx.command.qualified_name if ctx.command is not None else "unknown"
            self.commands.labels(name, outcome).observe(time.monotonic() - received)
            ctx.received_at = None  # type: ignore[attr-defined]  # one answer each

    def watch(self, bot: commands.Bot) -> None:
        async def connected() -> None:
            self.connected, self.away_since = True, None

        async def disconnected() -> None:
            self.connected = False
            self.missed()

        async def completed(ctx: Context) -> None:
            self.replied(ctx, "done")

        for name in ("on_connect", "on_ready", "on_resumed"):
            bot.add_listener(connected, name)
        bot.add_listener(disconnected, "on_disconnect")
        bot.add_listener(completed, "on_command_completion")

    async def keep_watching_loop(self) -> None:
        """Measure, again and again, how late the event loop comes round."""
        while True:
            due = time.monotonic() + LAG_EVERY_S
            await asyncio.sleep(LAG_EVERY_S)
            self.turned_at = time.monotonic()
            self.lag.observe(max(0.0, self.turned_at - due))

    @contextlib.contextmanager
    def served(self) -> Iterator[int | None]:
        """Serve `/metrics` and `/health`, if METRICS_PORT is set; yields the port."""
        watching = asyncio.create_task(self.keep_watching_loop())
        try:
            with served(self._settings, self.registry, self.health) as port:
                yield port
        finally:
            watching.cancel()

    def health(self) -> Health:
        """Asked from another thread. A bot that stands by is healthy without Discord's gateway."""
        state = "starting" if not self.logged_in else "leader" if self.leads else "standby"
        return Health(BOT, tuple(self._problems()), state)

    def _problems(self) -> Iterator[str]:
        stands_s = time.monotonic() - self.turned_at
        if stands_s > LOOP_STANDS_S:
            yield f"The bot has been busy with one thing for {stands_s:.0f} s and answers nobody."
        try:
            self._redis.ping()
        except redis.RedisError as error:
            yield f"Redis cannot be reached ({type(error).__name__})."
        if not self.logged_in:
            yield "The bot has not logged in to Discord yet."
        elif self.leads and not self.connected:
            yield "Discord's gateway is not connected."
