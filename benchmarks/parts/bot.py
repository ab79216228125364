"""Measure the bot within the whole product: how fast it answers, its memory, and the pauses of its event loop."""

import asyncio
import itertools
import json
import math
import statistics
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import redis

from benchmarks import texts
from benchmarks.listener import Channels, Sent
from benchmarks.measure import percentile
from benchmarks.models import default_model
from benchmarks.product import Product, started
from benchmarks.record import Context
from benchmarks.standin import StandIn
from bot.train.card import EDIT_EVERY_S
from shared import keys
from shared.events import Generated, Queued, parse_event
from tests.driver.client import PlaygroundClient

MODEL = "frankenstein"
SEED = "It was already one in the morning"
CHANNELS = 20
BURST = 200
CARDS = 20
TEXT = "harbour"
"""Name of the text of the trainings."""
_ANSWER_S = 60.0
_UNTIMED, _UNTIMED_BURST = 5, 64
_SETTLE_S = 3.0
"""Seconds after the last answer in which no other may come."""
_ENVIRONMENT = {
    **{f"{what}_COOLDOWN_S": "0" for what in ("TRAIN", "GENERATE", "CHAT")},
    **{f"TRAIN_JOBS_PER_{whose}": "50" for whose in ("USER", "SERVER")},
}
_WRITERS = ("ada", "ben")
"""The playground's people who may write anywhere."""


def bot(context: Context) -> None:
    """Measure starts, requests one after another, two hundred at once, and twenty live cards."""
    folder = context.work / "bot"
    (folder / "corpora").mkdir(parents=True)
    text = texts.book().text[:50_000]
    (folder / "corpora" / f"{TEXT}.txt").write_text(text, "utf-8")
    environment = {**_ENVIRONMENT, "CORPORA_DIR": str(folder / "corpora")}
    with started(folder / "data", environment) as product:
        product.start("redis")
        product.start("playground")
        client = PlaygroundClient(product.address)
        channels = [client.create_channel(f"room-{number}") for number in range(CHANNELS)]
        model, info = default_model(context.work), texts.book().info
        product.add_model(model, MODEL, client.world(), channels, info, "playground")
        product.start("generate")
        _starts(context, product, 3 if context.quick else 7)
        lines = folder / "probe.jsonl"
        product.start("bot", probe=lines)
        asyncio.run(_texts(context, product, channels))
        asyncio.run(_cards(context, product, channels, text, lines))
        context.record.values["bot.rss_mb"] = largest(lines, "peak_mb")


def _starts(context: Context, product: Product, times: int) -> None:
    """Time starts, from the process to the log event `ready`. The first start sends the commands to Discord."""
    taken = []
    for _ in range(times + 1):
        process = product.start("bot")
        taken.append(process.ready_at - process.begun)
        product.stop("bot")
    context.record.values["bot.ready_s"] = statistics.median(taken[1:])
    context.record.raw |= {"bot.ready_first_s": taken[0], "bot.ready_starts_s": taken[1:]}


# ------------------------------------------------------------------ texts


@dataclass(frozen=True)
class Answered:
    """A request that was answered; times are seconds since the epoch.

    Attributes:
        posted, queued, written, shown: the message, the job in Redis, the worker's event, the answer.
        worker_s: seconds that the worker wrote.
    """

    posted: float
    queued: float
    written: float
    shown: float
    worker_s: float

    @property
    def seconds(self) -> float:
        """Return the seconds that the person waited."""
        return self.shown - self.posted


async def _texts(context: Context, product: Product, channels: list[str]) -> None:
    async with Channels(product.address) as seen:
        turns = list(itertools.islice(zip(itertools.cycle(channels), itertools.cycle(_WRITERS), strict=False), BURST))
        for channel, person in turns[:_UNTIMED]:
            await _one(seen, channel, person)
        one_by_one = [await _one(seen, channel, person) for channel, person in turns[: 20 if context.quick else 100]]
        _tell_answers(context, [_answered(product, seen, sent) for sent in one_by_one])

        await _burst(seen, turns[:_UNTIMED_BURST])
        begun = time.time()
        sent = await _burst(seen, turns)
        await asyncio.sleep(_SETTLE_S)
        _tell_burst(context, product, seen, sent, begun)


async def _one(seen: Channels, channel: str, person: str) -> Sent:
    """Ask for a text and wait for it.

    Raises:
        RuntimeError: none came.
    """
    sent = await seen.write(f"!generate {SEED}", channel, person)
    if not await seen.wait(lambda: seen.answered(sent), _ANSWER_S):
        shown = [reply.text for reply in seen.replies(sent)]
        raise RuntimeError(f"no text after {_ANSWER_S:g} s; the bot showed: {shown or 'nothing'}")
    return sent


async def _burst(seen: Channels, turns: list[tuple[str, str]]) -> list[Sent]:
    """Ask for many texts at once and wait until all are there, or the time is up."""
    sent = await asyncio.gather(*(seen.write(f"!generate {SEED}", channel, person) for channel, person in turns))
    await seen.wait(lambda: all(seen.answered(request) for request in sent), _ANSWER_S)
    return sent


def _answered(product: Product, seen: Channels, sent: Sent) -> Answered:
    with product.redis() as client:
        entries: Any = client.xrange(keys.job_events(f"g-{sent.message_id}"))
    events = [parse_event(fields[b"event"]) for _, fields in entries]
    queued = next(event for event in events if isinstance(event, Queued))
    written = next(event for event in events if isinstance(event, Generated))
    shown = min(reply.written_at for reply in seen.replies(sent))
    return Answered(sent.at, queued.at, written.at, shown, written.seconds)


def _tell_answers(context: Context, answers: list[Answered]) -> None:
    waited = [1_000 * answer.seconds for answer in answers]
    own = [1_000 * (answer.seconds - answer.worker_s) for answer in answers]
    record = context.record
    record.values["bot.generate_p50_ms"] = statistics.median(waited)
    record.values["bot.generate_p95_ms"] = percentile(waited, 95)
    record.values["bot.generate_own_p50_ms"] = statistics.median(own)
    record.raw |= {
        "bot.generate_ms": waited,
        "bot.generate_own_p95_ms": percentile(own, 95),
        "bot.generate_asking_p50_ms": statistics.median(1_000 * (each.queued - each.posted) for each in answers),
        "bot.generate_worker_p50_ms": statistics.median(1_000 * each.worker_s for each in answers),
        "bot.generate_queue_p50_ms": statistics.median(
            1_000 * (each.written - each.queued - each.worker_s) for each in answers
        ),
        "bot.generate_showing_p50_ms": statistics.median(1_000 * (each.shown - each.written) for each in answers),
    }


def _tell_burst(context: Context, product: Product, seen: Channels, sent: list[Sent], begun: float) -> None:
    lost = [seen.replies(request) for request in sent if not seen.answered(request)]
    doubled = sum(len(seen.replies(request)) > 1 for request in sent)
    record = context.record
    record.values |= {"bot.burst200_lost": len(lost), "bot.burst200_doubled": doubled}
    if lost or doubled:
        shown = {reply.text for replies in lost for reply in replies}
        record.errors["bot.burst200_p95_s"] = (
            f"of {len(sent)} requests {len(lost)} got no text, {doubled} several replies; the bot showed: {shown}"
        )
        return
    answered = [_answered(product, seen, request) for request in sent]
    waited = [answer.seconds for answer in answered]
    record.values["bot.burst200_p95_s"] = percentile(waited, 95)
    record.raw |= {
        "bot.burst200_p50_s": statistics.median(waited),
        "bot.burst200_all_s": max(answer.shown for answer in answered) - begun,
        "bot.burst200_asking_s": max(answer.queued for answer in answered) - begun,
        "bot.burst200_writing_s": max(answer.written for answer in answered) - begun,
    }


# ------------------------------------------------------------------ cards


async def _cards(context: Context, product: Product, channels: list[str], text: str, lines: Path) -> None:
    """Measure the pauses of the event loop while twenty cards of trainings are edited."""
    seconds = 15.0 if context.quick else 60.0
    async with Channels(product.address) as seen:
        jobs, cards = list[str](), list[str]()
        with product.redis() as client:
            for number, channel, person in zip(range(CARDS), itertools.cycle(channels), itertools.cycle(_WRITERS)):
                sent = await seen.write(f"!train {TEXT} --name card-{number}", channel, person)
                jobs.append(f"t-{sent.message_id}")
                cards.append(await card_of(client, jobs[-1]))  # one text of a person is read at a time
            with StandIn(product.settings, client, jobs, text):
                idle_lines = lines.with_name("idle.jsonl")
                product.start_idle_probe(idle_lines)
                await asyncio.sleep(_SETTLE_S)
                begun = time.time()
                await asyncio.sleep(seconds)
                ended = time.time()
                product.stop("idle")
    edits = [sum(begun <= at <= ended for at in seen.shown[card].edits) for card in cards]
    if min(edits) < seconds / EDIT_EVERY_S / 2:  # half of what is due
        raise RuntimeError(f"a card was edited only {min(edits)} times in {seconds:g} s: what was measured is no load")
    record = context.record
    record.values["bot.card_edit_interval_s"] = seconds * CARDS / sum(edits)
    record.values["bot.loop_pause_ms"] = largest(lines, "pause", begun, ended)
    record.values["bot.loop_pause_control_ms"] = largest(idle_lines, "pause", begun, ended)
    record.raw |= {
        "bot.loop_own_pause_ms": largest(lines, "own_pause", begun, ended),
        "bot.loop_callback_ms": largest(lines, "callback", begun, ended),
        "bot.loop_callback_cpu_ms": largest(lines, "callback_cpu", begun, ended),
        "bot.loop_collection_ms": largest(lines, "collection", begun, ended),
        "bot.cards_cpu_ms_a_second": statistics.mean(every(lines, "cpu", begun, ended)),
        "bot.loop_pauses_ms": every(lines, "pause", begun, ended),
        "bot.loop_pauses_control_ms": every(idle_lines, "pause", begun, ended),
        "bot.loop_pause_whole_run_ms": largest(lines, "pause"),
    }


async def card_of(client: redis.Redis, job_id: str) -> str:
    """Return the id of the message that shows a training.

    Raises:
        RuntimeError: there is none.
    """
    for _ in range(200):
        where = cast(bytes | None, client.hget(keys.job(job_id), "card"))
        if where is not None:
            return where.decode().partition(":")[2]
        await asyncio.sleep(0.1)
    raise RuntimeError("a training got no card")


def every(lines: Path, name: str, begun: float = 0.0, ended: float = math.inf) -> list[float]:
    """Return a measurement of a probe for each second that ended within a span of time."""
    seconds = [json.loads(line) for line in lines.read_text("utf-8").splitlines()]
    return [float(line[name]) for line in seconds if begun + 1 <= line["at"] <= ended]


def largest(lines: Path, name: str, begun: float = 0.0, ended: float = math.inf) -> float:
    """Return the largest of `every`."""
    return max(every(lines, name, begun, ended))
