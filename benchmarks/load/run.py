"""Run a load on a product of its own: make the requests, watch the answers, and measure."""

import asyncio
import functools
import json
import random
import re
import sys
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import texts
from benchmarks.load import memory
from benchmarks.load.crowd import Crowd
from benchmarks.load.ledger import Request, asked_at, ledger, refusals, unbalanced, waits
from benchmarks.load.memory import Sizes
from benchmarks.load.plan import PEOPLE, Ask, How, plan_requests
from benchmarks.load.turns import Turns, largest_lead
from benchmarks.models import default_model
from benchmarks.product import Product, started
from tests.driver.client import PlaygroundClient

TEXT = "harbour"
TINY = f"{TEXT} --epochs 1 --layers 1 --units 32 --batch 8"
_WORDS = ("the tide", "an old sailor", "the lamp", "without a word", "the harbour watches", "")
_PARTS = ("redis", "playground", "generate", "train", "bot")
_LOOK_EVERY_S = 0.05
_WEIGH_EVERY_S = 5.0
_SETTLE_S = 3.0
"""Seconds after the last answer in which no other may come."""
_ASK_AGAIN_S = 15.0
_ANSWER_S = 120.0
_GIVEN_UP_S = 150.0
"""Seconds after which a text is lost: nobody waits longer than `Settings.generate_timeout_s`."""
_AGAIN_IN = re.compile(r"[Tt]ry again in (\d+) s")


@dataclass(frozen=True)
class Load:
    """The size of a load.

    Attributes:
        minutes: the time in which all requests come.
        limit_minutes: the time after which all must be over.
        quiet_s: seconds of quiet before Redis is searched for leftovers.
        warm_training: whether to make a training before memory is measured first.
    """

    seed: int
    minutes: float
    servers: int
    trainings: int
    generates: int
    limit_minutes: float = 20.0
    quiet_s: float = 60.0
    warm_training: bool = True


@dataclass
class Outcome:
    """The results of a load."""

    load: Load
    trainings: list[Request] = field(default_factory=list)
    generates: list[Request] = field(default_factory=list)
    turns: Turns = field(default_factory=Turns)
    memory: dict[str, Sizes] = field(default_factory=dict)
    store: dict[str, dict[str, float]] = field(default_factory=dict)
    left: dict[str, int] = field(default_factory=dict)
    minutes: float = 0.0
    logged: dict[str, int] = field(default_factory=dict)

    @property
    def lead(self) -> int:
        """Return how far one server was ahead of another, see `largest_lead`. Quotas bound it."""
        return largest_lead(self.turns.steps)

    def problems(self) -> list[str]:
        """Return the problems, in words."""
        problems = unbalanced(ledger(self.trainings), ledger(self.generates))
        problems += [f"{number} {name} left in Redis" for name, number in self.left.items() if number]
        if self.minutes > self.load.limit_minutes:
            problems.append(f"not over after {self.load.limit_minutes:g} minutes")
        return problems

    def to_json(self) -> dict[str, Any]:
        """Return the results for a file."""
        return {
            "load": self.load.__dict__,
            "trainings": ledger(self.trainings),
            "generates": ledger(self.generates),
            "refusals": refusals([*self.trainings, *self.generates]),
            "minutes": self.minutes,
            "generate_seconds": waits(self.generates, "finished"),
            "refusal_seconds": waits([*self.trainings, *self.generates], "refused"),
            "largest_lead": self.lead,
            "begun": {guild: [round(at - self._begun, 1) for at in ats] for guild, ats in self.turns.begun().items()},
            "memory_mb": self.memory,
            "redis": self.store,
            "left": self.left,
            "logged": self.logged,
            "problems": self.problems(),
        }

    @property
    def _begun(self) -> float:
        return self.turns.steps[0].at if self.turns.steps else 0.0


def run(load: Load, work: Path, *, model: Path | None = None, environment: Mapping[str, str] | None = None) -> Outcome:
    """Start a product, put the load on it, and stop it again.

    Args:
        load: the size of the load.
        work: a folder, which is made, for all files.
        model: the model that each server has at first; None: one with the default network.
        environment: settings that differ from the usual ones.
    """
    text = babble()
    (work / "corpora").mkdir(parents=True)
    (work / "corpora" / f"{TEXT}.txt").write_text(text, "utf-8")
    model = model or default_model(work, text)
    with started(work / "data", {"CORPORA_DIR": str(work / "corpora"), **(environment or {})}) as product:
        for part in _PARTS:
            product.start(part)
        outcome = asyncio.run(_Run(load, product, _servers(product, load.servers, model, text)).run())
        outcome.logged = logged(product.folders.logs)
    return outcome


def babble() -> str:
    """Return a text for the models of a load."""
    words = "the tide watches an old sailor and a gull forgets every stone of that long wall before supper"
    return "".join(texts.babble(re.findall(r"\w+", words), 0.02))


def logged(folder: Path) -> dict[str, int]:
    """Count the warnings and errors in the parts' logs."""
    counts: Counter[str] = Counter()
    for path in folder.glob("*.log"):
        for line in path.read_text("utf-8", "replace").splitlines():
            try:
                entry = json.loads(line)
            except ValueError:
                continue
            if isinstance(entry, dict) and entry.get("level") in ("warning", "error", "critical"):
                counts[f"{path.stem}: {entry['level']}: {str(entry.get('event'))[:200]}"] += 1
    return dict(counts.most_common())


def _servers(product: Product, number: int, model: Path, text: str) -> list[str]:
    """Make servers with all people in them and a model each; return the ids of their channels."""
    client = PlaygroundClient(product.address)
    for place in range(number):
        owner = PEOPLE[place % len(PEOPLE)]
        client.create_server(f"server-{place}", channel=f"room-{place}", owner=owner, members=PEOPLE)
    world = client.world()
    channels = [world.channels[f"room-{place}"] for place in range(number)]
    for place, channel in enumerate(channels):
        product.add_model(model, f"first-{place}", world, [channel], texts.info(text), f"server-{place}")
    return channels


class _Run:
    """A run of a load, from warming up to the last measurement."""

    def __init__(self, load: Load, product: Product, channels: list[str]) -> None:
        self._load = load
        self._product = product
        self._crowd = Crowd(product.address, channels, load.seed)
        self._random = random.Random(load.seed)
        self._redis = product.redis()
        self._outcome = Outcome(load)
        self._peak: Sizes = {}
        self._asking: set[asyncio.Task[None]] = set()
        self._refused: set[str] = set()

    async def run(self) -> Outcome:
        outcome = self._outcome
        async with self._crowd:
            await self._warm()
            await self._weigh("before")
            looking = asyncio.create_task(self._look())
            weighing = asyncio.create_task(self._weigh_often())
            begun = time.monotonic()
            await self._storm(begun)
            await self._end(begun)
            outcome.minutes = (time.monotonic() - begun) / 60
            await asyncio.sleep(_SETTLE_S)
            looking.cancel()
            weighing.cancel()
            await asyncio.gather(looking, weighing, return_exceptions=True)
            outcome.memory["peak"] = self._peak
            await self._weigh("ended")
            _say(f"quiet for {self._load.quiet_s:g} s")
            await asyncio.sleep(self._load.quiet_s)
            await self._weigh("after")
            outcome.left = memory.left(self._redis)
        return outcome

    async def _warm(self) -> None:
        """Make two texts in every server and a training, so that memory that the first of each takes counts as no
        leak."""
        await self._weigh("started")
        hows: tuple[tuple[How, str], ...] = (("message", PEOPLE[0]), ("slash", PEOPLE[1]))
        texts = [Ask(0, server, person, how) for server in range(self._load.servers) for how, person in hows]
        trainings = [Ask(0, 0, PEOPLE[2], "train")] if self._load.warm_training else []
        for ask in [*trainings, *texts]:
            request = await self._crowd.ask(ask, TINY if ask.how == "train" else _WORDS[0])
            await self._crowd.wait(lambda request=request: request.state != "pending", _ANSWER_S)  # type: ignore[misc]
            if not request.finished:
                raise RuntimeError(f"the first request got no result: {[seen.words for seen in request.answers]}")
        await asyncio.sleep(_SETTLE_S)

    async def _storm(self, begun: float) -> None:
        """Make all requests, each at its time."""
        load = self._load
        for ask in plan_requests(load.seed, 60 * load.minutes, load.servers, load.trainings, load.generates):
            await asyncio.sleep(begun + ask.at - time.monotonic())
            task = asyncio.create_task(self._train(ask) if ask.how == "train" else self._generate(ask))
            self._asking.add(task)
            task.add_done_callback(self._asked)
        _say(f"all is asked for after {time.monotonic() - begun:.0f} s")

    def _asked(self, task: asyncio.Task[None]) -> None:
        self._asking.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _say(f"a person could not ask: {error!r}")

    async def _generate(self, ask: Ask) -> None:
        self._outcome.generates.append(await self._crowd.ask(ask, self._random.choice(_WORDS) or "the"))

    async def _train(self, ask: Ask) -> None:
        """Ask for a training, and after a refusal again at the time that it names, until it is taken."""
        while True:
            request = await self._crowd.ask(ask, TINY)
            self._outcome.trainings.append(request)
            await self._crowd.wait(functools.partial(_is_shown, request), _ANSWER_S)
            if request.state != "refused":
                return
            again_in = _AGAIN_IN.search(request.shown[0].words)
            await asyncio.sleep(float(again_in[1]) if again_in else _ASK_AGAIN_S)

    async def _end(self, begun: float) -> None:
        """Wait until all is over, or the limit is reached."""
        reported = 0.0
        while time.monotonic() - begun < 60 * self._load.limit_minutes + 30:
            self._crowd.watch_over()
            pending = sum(request.state == "pending" for request in self._outcome.trainings)
            soon = time.time() - _GIVEN_UP_S
            texts = (request for request in self._outcome.generates if asked_at(request.id) > soon)
            pending += sum(request.state == "pending" for request in texts)
            if not pending and not self._asking:
                return
            if time.monotonic() - reported > 30:
                reported = time.monotonic()
                _say(f"{reported - begun:4.0f} s: {pending} without an end")
            await asyncio.sleep(0.5)

    async def _look(self) -> None:
        def look() -> None:
            self._outcome.turns.look(self._redis, time.time())

        while True:
            await asyncio.to_thread(look)
            await asyncio.sleep(_LOOK_EVERY_S)

    async def _weigh_often(self) -> None:
        while True:
            sizes = await asyncio.to_thread(memory.sizes, self._product.pids)
            self._peak = memory.largest(self._peak, sizes)
            await asyncio.sleep(_WEIGH_EVERY_S)

    async def _weigh(self, when: str) -> None:
        self._outcome.memory[when] = await asyncio.to_thread(memory.sizes, self._product.pids)
        self._outcome.store[when] = memory.store(self._redis)


def _is_shown(request: Request) -> bool:
    return bool(request.shown)


def _say(words: str) -> None:
    print(words, file=sys.stderr, flush=True)
