"""Whatever a worker of another version, or nobody, tells of a job: the bot goes on, and tells people in words.

What lies in Redis for a job is made up: its message, its card, its events. The bot then does what it does after a start
(it takes up what was not shown), and what its commands and buttons do with such a job.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

from hypothesis import strategies as st

from playground.places import CHANNEL_IDS
from shared import keys
from shared.jobs import CompareJob, SurpriseJob, Variant
from tests.bot.stand_in import lab
from tests.factories import finished, generate_job, progress, record, train_job
from tests.fuzz import words
from tests.fuzz.author import event_for
from tests.fuzz.hand import Hand, both_tests
from tests.fuzz.mutation import mutated, values

PLACE = lab()
VARIANTS = tuple(Variant(model_id="m1", name="a", temperature=one) for one in (0.2, 0.8))
JOBS = (
    train_job(job_id="t-7", place=PLACE),
    generate_job(job_id="g-7", place=PLACE),
    CompareJob(job_id="k-7", place=PLACE, seed="the sea", length=40, variants=VARIANTS),
    SurpriseJob(job_id="s-7", place=PLACE, model=record(model_id="m1", name="a").ref, text="the sea"),
)
TRAIN_EVENTS = [
    {"kind": "started", "worker": "w", "resumed": False},
    progress().model_dump(mode="json"),
    {"kind": "sample", "epoch": 1, "text": "the sea", "train_loss": 1.0},
    finished(model=record(name="a", guild_id=PLACE.guild_id, channel_id=PLACE.channel_id)).model_dump(mode="json"),
    {"kind": "failed", "problem": "It failed.", "remedy": "Try again."},
    {"kind": "cancelled"},
    {"kind": "from the future", "text": "x"},
]
RAW = ("{", "", "null", "[]", '"x"', "\udcff", "[" * 10_000, '{"kind": []}', '{"kind": "finished", "version": 2}')
CARDS = ("1:2", "", "x", "1", "1:2:3", ":", "-1:-1", "٣:٣", "9" * 40 + ":1", f"{CHANNEL_IDS['lab']}:1")


@st.composite
def cases(draw: Any) -> dict[str, Any]:
    """A job with its events."""
    job = draw(st.sampled_from(JOBS))
    message = job.model_dump(mode="json")
    told = TRAIN_EVENTS if job.kind == "train" else [event_for(job, "the sea").model_dump(mode="json")]
    event = st.sampled_from(told).flatmap(mutated).map(json.dumps) | st.sampled_from(RAW) | values.map(json.dumps)
    made = draw(mutated(message)) if not draw(st.integers(0, 3)) else message
    return {
        "job_id": job.job_id,
        "job": draw(st.sampled_from(RAW)) if not draw(st.integers(0, 9)) else json.dumps(made),
        "card": draw(st.none() | st.sampled_from(CARDS) | words.text(2)),
        "events": draw(st.lists(event, max_size=5)),
        "last": json.dumps(draw(st.sampled_from(told).flatmap(mutated))),
        "field": draw(st.sampled_from(("event",) * 9 + ("other",))),
    }


async def carry_out(hand: Hand, case: dict[str, Any]) -> None:
    """Have the bot take the job up, and people ask about it; it must still do its work for others."""
    hand.forget()
    bot, redis, job_id = hand.live.bot, hand.author.redis, case["job_id"]
    bot.delivery.in_background.clear()
    redis.set(keys.asked(job_id), _bytes(case["job"]))
    if case["card"] is not None:
        redis.hset(keys.job(job_id), "card", _bytes(case["card"]))
    queued = json.dumps({"kind": "queued", "at": 4e9})
    for number, event in enumerate((queued, *case["events"], case["last"]), 1):
        redis.xadd(keys.job_events(job_id), {case["field"]: _bytes(event)}, id=f"1-{number}")
    redis.hset(keys.ACTIVE, job_id, PLACE.guild_id)
    redis.sadd(keys.OUTBOX, job_id, "g-8")
    redis.set(keys.asked("g-8"), generate_job(job_id="g-8", place=PLACE, model_name="a").model_dump_json())
    hand.author._answer(generate_job(job_id="g-8", place=PLACE))
    redis.xadd(keys.NOTIFICATIONS, {"job": job_id})
    before = set(bot.delivery.tasks)
    await asyncio.wait_for(hand.live.start_again(), 20)
    await hand.live.until(lambda: not redis.sismember(keys.OUTBOX, "g-8"), "the answer to another job")
    for asked in ("!jobs", f"!cancel {job_id}", f"!finish {job_id}"):
        await hand.write(asked)
    message = next(iter(hand.said()))
    kinds = {"t": ("samples", "cancel", "finish"), "g": ("again", "continue", "hotter"), "k": ("compared",), "s": ()}
    for kind in kinds[job_id[0]]:
        custom_id = f"galvanic:{kind}:{job_id}"
        control: dict[str, Any] = {"type": 2, "custom_id": custom_id, "label": "x", "style": 1}
        if kind == "compared":
            control = {"type": 3, "custom_id": custom_id, "options": [{"label": "x", "value": "0"}]}
        message.components = [{"type": 1, "components": [control]}]
        chosen = {"values": ["0"]} if kind == "compared" else {}
        await hand.press(message, {"custom_id": custom_id, "component_type": control["type"], **chosen})
    tasks = bot.delivery.tasks - before
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    hand.judge()


def _bytes(text: str) -> bytes:
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # half a character, as nobody writes it
        return text.encode("utf-8", "surrogatepass")


test_saved_events, test_any_event = both_tests("told", cases(), carry_out)
