"""Let many servers ask the real queue: a real Redis, the bot's own client, admission and sweep, and fake workers.

Time is scaled: with a scale of 10, an hour passes in six minutes. What the product does by the clock (the sweep every 2
seconds, leases, heartbeats) keeps its own times.
"""

import asyncio
import contextlib
import json
import os
import random
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import redis

from benchmarks.growth.law import Ask, Law, requests
from benchmarks.growth.workers import Plan, Taken
from benchmarks.load import memory
from benchmarks.measure import percentile
from bot.jobs.admission import Admission
from bot.jobs.client import JobClient
from bot.jobs.recovery import EVERY_S, Recovery
from bot.jobs.snapshot import GOOD_FOR_S, Snapshots
from bot.train.card import EDIT_EVERY_S
from galvanic.errors import UserError
from galvanic.options import CorpusInfo, TrainOptions
from shared import keys
from shared.connect import connect, connect_async
from shared.events import TERMINAL, Event, parse_event
from shared.jobs import GENERATE_QUEUE, TRAIN_QUEUE, GenerateJob, Job, Place, TrainJob
from shared.settings import Settings

_ROOT = Path(__file__).parents[2]
_RACE_S = 0.25
"""Two things that are closer than that may have happened in the other order: they are noted by two processes."""
_WAIT_S = 4.0
_END_S = 900.0  # after the last request


@dataclass(frozen=True)
class Size:
    """What is simulated.

    Attributes:
        minutes: of the servers' time.
        scale: how many times faster than that it goes.
        train_workers: each has one training at a time, of `train_s` seconds of the servers' time.
        generate_slots: texts at once; a text takes `text_s` seconds, which are not scaled.
        deaths: share of the trainings' attempts whose worker dies.
    """

    law: Law
    minutes: float
    scale: float
    train_workers: int
    train_s: float = 180.0
    generate_slots: int = 16
    text_s: float = 0.06
    text_chars: int = 400_000
    deaths: float = 0.03
    seed: int = 1


@dataclass
class Followed:
    """A request, and what became of it.

    Attributes:
        asked_at, entered_at, ended_at: seconds since the epoch.
        answer: `entered`, or the limit that refused it.
        first: it was its server's only training when it was entered.
        ends: how many last events it got.
    """

    ask: Ask
    asked_at: float
    entered_at: float = 0.0
    ended_at: float = 0.0
    answer: str = ""
    first: bool = False
    ends: int = 0


@dataclass
class Outcome:
    """The results of a simulation; times are seconds of the servers' time, unless stated otherwise."""

    size: Size
    followed: dict[str, Followed] = field(default_factory=dict)
    taken: list[Taken] = field(default_factory=list)
    sweeps_ms: list[float] = field(default_factory=list)
    looks_ms: list[float] = field(default_factory=list)
    late_ms: list[float] = field(default_factory=list)
    longest_queue: int = 0
    seconds: float = 0.0  # of the clock
    bot_cpu_s: float = 0.0
    redis: dict[str, float] = field(default_factory=dict)
    left: dict[str, int] = field(default_factory=dict)
    errors: Counter[str] = field(default_factory=Counter)

    def entered(self, what: str) -> dict[str, Followed]:
        """Return the requests of a kind that the queue took."""
        return {
            job_id: each for job_id, each in self.followed.items() if each.ask.what == what and each.answer == "entered"
        }

    def waits(self, what: str, *, first: bool | None = None) -> list[float]:
        """Return the seconds from each request to its (last) begin, unscaled for texts."""
        begun = {each.job_id: each.begun_at for each in self.taken if each.end != "stale"}
        scale = self.size.scale if what == "train" else 1.0
        return [
            scale * max(0.0, begun[job_id] - each.entered_at)
            for job_id, each in self.entered(what).items()
            if job_id in begun and first in (None, each.first)
        ]

    def problems(self) -> list[str]:
        """Return each rule of the queue that was broken, in words."""
        entered = self.entered("train") | self.entered("generate")
        ends = Counter(each.job_id for each in self.taken if each.end == "finished")
        problems = [f"{number} {name} left in Redis" for name, number in self.left.items() if number]
        problems += [f"{number} times {name}" for name, number in self.errors.items()]
        if lost := sum(not each.ends for each in entered.values()):
            problems.append(f"{lost} jobs never ended")
        if twice := sum(each.ends > 1 for each in entered.values()) + sum(count > 1 for count in ends.values()):
            problems.append(f"{twice} jobs were done or ended twice")
        if unknown := len(ends.keys() - entered.keys()):
            problems.append(f"{unknown} jobs were done that nobody had entered")
        if overtaken := self.overtaken():
            problems.append(f"{overtaken} first trainings were overtaken by another server's further one")
        return problems

    def overtaken(self) -> int:
        """Count servers' first trainings that waited while a training that was entered behind them began."""
        begun: dict[str, float] = {}
        for each in self.taken:
            if each.attempt == 1:
                begun[each.job_id] = each.begun_at
        trainings = self.entered("train")
        firsts = [
            (each.entered_at, begun[job_id]) for job_id, each in trainings.items() if each.first and job_id in begun
        ]
        further = [begun[job_id] for job_id, each in trainings.items() if not each.first and job_id in begun]
        return sum(any(since + _RACE_S < at < until - _RACE_S for at in further) for since, until in firsts)

    def to_json(self) -> dict[str, Any]:
        """Return the results for a file and for the table."""
        jobs = len(self.entered("train")) + len(self.entered("generate"))
        refused = Counter(each.answer for each in self.followed.values() if each.answer != "entered")
        return {
            "size": asdict(self.size),
            "entered": {what: len(self.entered(what)) for what in ("train", "generate")},
            "refused": dict(refused),
            "first_wait_s": spread(self.waits("train", first=True)),
            "further_wait_s": spread(self.waits("train", first=False)),
            "text_wait_s": spread(self.waits("generate")),
            "longest_queue": self.longest_queue,
            "sweep_ms": spread(self.sweeps_ms),
            "snapshot_ms": spread(self.looks_ms),
            "late_ms": spread(self.late_ms),
            "deaths": sum(each.end == "died" for each in self.taken),
            "seconds": self.seconds,
            "bot_ms_a_job": 1_000 * self.bot_cpu_s / max(1, jobs),
            "redis": self.redis
            | {
                "kb_a_job": self.redis["grown_mb"] * 1e3 / max(1, jobs),
                "commands_a_job": self.redis["commands"] / max(1, jobs),
                "cpu_ms_a_job": 1e3 * self.redis["cpu_s"] / max(1, jobs),
            },
            "left": self.left,
            "problems": self.problems(),
        }


def spread(values: list[float]) -> dict[str, float]:
    """Return median, 95th percentile and maximum; nothing of fewer than two values."""
    if len(values) < 2:
        return {}
    return {"median": statistics.median(values), "p95": percentile(values, 95), "max": max(values)}


def text(chars: int) -> str:
    """Return a made-up text, which zlib packs about as well as a book."""
    random_ = random.Random(1)
    words = ["".join(random_.choices("etaoinshrdlucm", k=random_.randint(2, 9))) for _ in range(3_000)]
    weights = [1 / (rank + 3) for rank in range(len(words))]
    return " ".join(random_.choices(words, weights, k=chars // 5))[:chars]


def simulate(size: Size, folder: Path, redis_url: str) -> Outcome:
    """Run a simulation against an empty Redis.

    Args:
        size: what to simulate.
        folder: for the logs of the fake workers.
        redis_url: of a Redis that may be emptied.
    """
    settings = Settings(_env_file=None, redis_url=redis_url, data_dir=folder)
    outcome = Outcome(size)
    with connect(settings) as client:
        client.flushall()
        with contextlib.ExitStack() as stack:
            training = Plan(size.train_workers, size.train_s / size.scale, round(size.train_s), size.deaths, size.seed)
            writing = Plan(size.generate_slots, size.text_s, seed=size.seed)
            for queue, plan in ((TRAIN_QUEUE, training), (GENERATE_QUEUE, writing)):
                stack.enter_context(_workers(queue, plan, folder, redis_url, outcome))
            while any(not client.zcard(keys.workers(queue)) for queue in (TRAIN_QUEUE, GENERATE_QUEUE)):
                time.sleep(_RACE_S)
            before, cpu, begun = redis_figures(client), time.process_time(), time.monotonic()
            asyncio.run(_Bot(settings, outcome, client).run())
            outcome.seconds, outcome.bot_cpu_s = time.monotonic() - begun, time.process_time() - cpu
            after = redis_figures(client)
        outcome.redis = {
            "grown_mb": after["mb"] - before["mb"],
            "peak_mb": after["peak_mb"],
            "commands": after["commands"] - before["commands"],
            "cpu_s": after["cpu_s"] - before["cpu_s"],
        }
        outcome.left = memory.left(client)
        for job_id, each in outcome.followed.items():
            entries: Any = client.xrange(keys.job_events(job_id))
            each.ends = sum(parse_event(fields[b"event"]).kind in TERMINAL for _, fields in entries)
    return outcome


@contextlib.contextmanager
def _workers(queue: str, plan: Plan, folder: Path, redis_url: str, outcome: Outcome) -> Iterator[None]:
    """Let fake workers serve a queue within the block, and collect what they did."""
    with (folder / f"{queue}.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.growth.workers", queue, json.dumps(asdict(plan))],
            cwd=_ROOT,
            env=os.environ | {"REDIS_URL": redis_url, "DATA_DIR": str(folder)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        try:
            yield
        finally:
            lines, _ = process.communicate(timeout=60)
    outcome.taken += [Taken(**json.loads(line)) for line in lines.splitlines()]
    if process.returncode:
        outcome.errors[f"the {queue} workers ended with {process.returncode}"] += 1


def redis_figures(client: redis.Redis) -> dict[str, float]:
    """Return the megabytes of a Redis, now and at most, its commands, and the seconds of its processor time."""
    every = client.info("everything")
    cpu_s = every["used_cpu_user"] + every["used_cpu_sys"]
    return {
        "mb": every["used_memory"] / 1e6,
        "peak_mb": every["used_memory_peak"] / 1e6,
        "commands": float(every["total_commands_processed"]),
        "cpu_s": cpu_s,
    }


class _Bot:
    """The bot's side: it enters what people ask for, follows it, and looks for what is lost."""

    def __init__(self, settings: Settings, outcome: Outcome, client: redis.Redis) -> None:
        self._size = outcome.size
        self._outcome = outcome
        self._settings = settings
        self._client = client
        self._text = text(outcome.size.text_chars)
        self._corpus = CorpusInfo(name="book", title="Book", source="file", chars=len(self._text), sha256="0" * 64)
        self._admission = Admission(settings)
        self._entering = asyncio.Lock()

    async def run(self) -> None:
        connection = connect_async(self._settings)
        self._jobs = JobClient(self._settings, connection)
        self._jobs.start()
        self._snapshots = Snapshots(connection, self._settings)
        watching = [
            asyncio.create_task(self._sweep(Recovery(connection, self._jobs))),
            asyncio.create_task(self._look()),
        ]
        size = self._size
        asks = requests(size.law, 60 * size.minutes, size.seed)
        begun, following = time.monotonic(), set[asyncio.Task[None]]()
        for number, ask in enumerate(asks):
            due = begun + ask.at / size.scale
            await asyncio.sleep(due - time.monotonic())
            self._outcome.late_ms.append(1_000 * max(0.0, time.monotonic() - due))
            following.add(asyncio.create_task(self._ask(number, ask)))
        await asyncio.sleep(begun + 60 * size.minutes / size.scale - time.monotonic())
        _, pending = await asyncio.wait(following, timeout=_END_S) if following else (set(), set())
        for task in (*pending, *watching):
            task.cancel()
        for result in await asyncio.gather(*following, *watching, return_exceptions=True):
            if isinstance(result, Exception):
                self._outcome.errors[f"the bot's side raised {type(result).__name__}"] += 1
        await self._jobs.stop()
        await connection.aclose()

    async def _ask(self, number: int, ask: Ask) -> None:
        place = Place(
            guild_id=1 + ask.server, channel_id=10_000 + ask.server, user_id=100 * ask.server + ask.member + 1
        )
        job_id = f"{'t' if ask.what == 'train' else 'g'}-{number}"
        followed = self._outcome.followed[job_id] = Followed(ask, time.time())
        if ask.what == "generate":
            try:
                with self._admission.queue_slot(place.guild_id):
                    job = GenerateJob(
                        job_id=job_id, place=place, model_id="m1", model_name="book", seed="It was one", length=300
                    )
                    await self._jobs.submit(job)
                    followed.answer, followed.entered_at = "entered", time.time()
                    await self._follow(job, followed)
                    self._admission.written()
            except UserError:
                followed.answer = "busy"
            return
        options = TrainOptions(name=f"book-{number}")
        training = TrainJob(job_id=job_id, place=place, corpus=self._corpus, options=options)
        async with self._entering:  # as the bot does
            others = self._active(ask.server)
            if sum(each.ask.member == ask.member for each in others) >= self._settings.train_jobs_per_user:
                followed.answer = "user"
            elif len(others) >= self._settings.train_jobs_per_server:
                followed.answer = "guild"
            else:
                await self._jobs.submit_train(training, self._text)
                followed.first = not self._active(ask.server)
                followed.answer, followed.entered_at = "entered", time.time()
        if followed.answer == "entered":
            await self._follow(training, followed)

    def _active(self, server: int) -> list[Followed]:
        """Return a server's trainings that were entered and are not over."""
        return [
            each for each in self._outcome.entered("train").values() if each.ask.server == server and not each.ended_at
        ]

    async def _follow(self, job: Job, followed: Followed) -> None:
        """Read a job's events as they come, as its answer or card does, until the last one."""
        after, last = "0", None
        with self._jobs.news_of(job.job_id) as news:
            while last is None or last.kind not in TERMINAL:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(news.wait(), _WAIT_S)
                news.clear()
                events: list[tuple[str, Event]] = await self._jobs.events(job.job_id, after)
                if events:
                    after, last = events[-1]
                if isinstance(job, TrainJob):
                    await asyncio.sleep(EDIT_EVERY_S / self._size.scale)
        followed.ended_at = time.time()
        await self._jobs.delivered(job.job_id)

    async def _sweep(self, recovery: Recovery) -> None:
        while True:
            begun = time.perf_counter()
            await recovery.look()
            self._outcome.sweeps_ms.append(1_000 * (time.perf_counter() - begun))
            await asyncio.sleep(EVERY_S)

    async def _look(self) -> None:
        """Read the queue as cards do, all together, as long as any of them is live."""
        while True:
            begun = time.perf_counter()
            snapshot = await self._snapshots.look(now=True)
            self._outcome.looks_ms.append(1_000 * (time.perf_counter() - begun))
            self._outcome.longest_queue = max(self._outcome.longest_queue, snapshot.waiting)
            await asyncio.sleep(GOOD_FOR_S)
