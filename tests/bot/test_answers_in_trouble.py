"""An answer is posted once, whatever happens to Discord, to Redis or to the bot meanwhile."""

import asyncio
import contextlib
import time
from collections.abc import Iterator
from typing import Any

import discord
import pytest
import redis

from bot.components import button
from playground.places import BOT_ID
from shared import keys
from shared.events import Failed
from tests.bot.ids import ADA, LAB
from tests.bot.live import Live
from tests.bot.stand_in import TEXT, StandIn, lab
from tests.driver.faults import Fault
from tests.factories import generate_job

POST = r"/channels/\d+/messages"
CALLBACK = r"/interactions/\d+/[^/]+/callback"
FOLLOWUP = r"/webhooks/\d+/[^/]+"


async def answered(live: Live, worker: StandIn) -> str:
    """The answer that is there once nothing waits any more: the only one."""
    await live.until(lambda: live.shown(TEXT), "the answer")
    await live.until(lambda: not worker.waiting(), "the end of the job")
    (message,) = live.shown(TEXT)
    return message.content


async def ask(live: Live, worker: StandIn, how: str) -> str:
    """Ask for a text, in one of the ways there are; the job's id."""
    if how == "press":
        await live.core.jobs.submit(generate_job(job_id="g-1", place=lab()))
        worker.write("g-1")
        await live.core.jobs.delivered("g-1")
        view = discord.ui.View(timeout=None)
        view.add_item(button("again", "g-1", label="Again"))
        pressed = await live.bot.get_partial_messageable(LAB).send("a text", view=view)
        live.acts.click(ADA, LAB, pressed.id, "galvanic:again:g-1")
    elif how == "slash":
        live.slash("ada", "generate", seed="the sea")
    elif how == "mention":
        worker.redis.hset(keys.channel(LAB), "chat", "1")
        live.send(f"<@{BOT_ID}> the sea")
    else:
        live.send("!generate the sea")
    return await worker.asked(live)


@pytest.mark.parametrize("how", ["command", "slash", "press", "mention"])
@pytest.mark.parametrize("times", [0, 2, 5])
async def test_that_a_job_failed_is_told_once_whatever_happens(
    live: Live, worker: StandIn, how: str, times: int
) -> None:
    live.bot.settings.generate_cooldown_s = 600
    job_id = await ask(live, worker, how)
    fault = live.faults.add(Fault("POST", FOLLOWUP if how == "slash" else POST, 503, times=min(times, 3)))
    late = live.faults.add(Fault("POST", POST, 503, times=max(0, times - 3)))
    worker.tell(job_id, Failed(problem="The words are too strange.", remedy="Take others."))
    await live.until(lambda: live.showing("The words are too strange."), "the reason")
    await live.until(lambda: not worker.waiting(), "the end of the job")
    await live.handled()
    assert fault.times == late.times == 0
    assert len(live.shown("❌")) == 1
    assert live.whispered("ada", "") is None
    if how != "mention":
        assert "a bit fast" in await live.ask("!generate the sea"), "it was sent"


@pytest.mark.parametrize(
    ("how", "status", "late", "times"),
    [
        ("command", 503, False, 1),
        ("command", 503, False, 5),
        ("command", 0, False, 5),
        ("command", 0, True, 1),
        ("command", 0, True, 5),
        ("slash", 0, False, 3),
        ("press", 0, False, 3),
        ("mention", 0, False, 3),
    ],
)
async def test_an_answer_that_discord_does_not_take_now_is_posted_once_and_pings_nobody(
    live: Live, worker: StandIn, how: str, status: int, late: bool, times: int
) -> None:
    """`late`: Discord took it, and its receipt was lost."""
    before = set(live.world.messages[LAB])
    job_id = await ask(live, worker, how)
    asked = max(set(live.world.messages[LAB]) - before, default=0)
    fault = live.faults.add(Fault("POST", FOLLOWUP if how == "slash" else POST, status, times=times, late=late))
    worker.write(job_id)
    said = await answered(live, worker)
    await live.until(lambda: fault.times == 0, "all faults")
    assert not live.shown("❌")
    (message,) = live.shown(TEXT)
    assert not message.ping_user_ids
    if how == "slash":
        assert said == f"For <@{ADA}>:"
    else:
        assert (message.reference or {}).get("message_id") == str(asked)


async def test_a_bot_that_stops_while_it_posts_leaves_the_answer_to_the_next(live: Live, worker: StandIn) -> None:
    job_id = await ask(live, worker, "command")
    fault = live.faults.add(Fault("POST", POST, 503, times=1_000))
    worker.write(job_id)
    await live.until(lambda: fault.times < 1_000, "a try")
    await live.bot.close()
    handlers = [task for task in asyncio.all_tasks() if task.get_name().startswith("discord.py: ")]
    await asyncio.gather(*handlers, return_exceptions=True)
    assert worker.waiting() == {job_id}
    assert not live.core.delivery._to_note


async def _slash(live: Live, worker: StandIn, *faults: Fault) -> str:
    for fault in faults:
        live.faults.add(fault)
    live.slash("ada", "generate", seed="the sea")
    worker.write(await worker.asked(live))
    return await answered(live, worker)


@pytest.mark.parametrize("code", [10_015, 10_062, 50_027])
async def test_an_interaction_that_expired_is_answered_in_the_channel(live: Live, worker: StandIn, code: int) -> None:
    said = await _slash(live, worker, Fault("POST", FOLLOWUP, 404, code))
    assert said == "For **Ada**:"


async def test_an_answer_whose_receipt_was_lost_is_not_posted_again(live: Live, worker: StandIn) -> None:
    assert await _slash(live, worker, Fault("POST", FOLLOWUP, 0, late=True)) == ""


async def test_what_only_one_person_may_see_does_not_go_to_the_channel(live: Live) -> None:
    live.faults.add(Fault("POST", CALLBACK, 404, 10_062, times=3))
    live.slash("ada", "settings")
    await live.until(lambda: live.showing("Discord didn't let me answer this in time"), "a word in the channel")
    await live.handled()
    assert not live.shown("Who may train")


@contextlib.contextmanager
def redis_away(live: Live) -> Iterator[list[float]]:
    """Nobody can be asked how a job went; when it was tried."""
    tried: list[float] = []

    async def events(*_: Any) -> Any:
        tried.append(time.monotonic())
        raise redis.ConnectionError

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(live.core.jobs, "events", events)
        yield tried


@pytest.mark.parametrize("restarted", [False, True])
async def test_an_outage_of_redis_is_not_taken_for_a_slow_worker(live: Live, worker: StandIn, restarted: bool) -> None:
    """It is longer than people wait for an answer, which lies there all the same."""
    live.bot.settings.generate_timeout_s = 1
    with redis_away(live) as tried:
        if restarted:
            job = generate_job(job_id="g-1", place=lab())
            await live.core.jobs.submit(job)
            live.core.delivery.deliver_later(job)
        else:
            live.send("!generate the sea")
        worker.write(await worker.asked(live))
        await live.until(lambda: tried and tried[-1] - tried[0] > 2.5, "an outage")
        assert not live.shown("❌")
        assert worker.waiting()
    await answered(live, worker)
    assert not live.shown("❌")


async def test_a_request_that_discord_delivers_twice_gets_one_answer(live: Live, worker: StandIn) -> None:
    live.bot.settings.generate_cooldown_s = 600
    heard: list[Any] = []

    async def on_message(message: Any) -> None:
        heard.append(message)

    live.bot.add_listener(on_message)
    job_id = await ask(live, worker, "command")
    live.bot.dispatch("message", heard[0])
    await live.handled()
    worker.write(job_id)
    await answered(live, worker)
    await live.handled()
    assert not live.shown("❌")


async def test_what_discord_refuses_is_not_tried_again(live: Live, worker: StandIn) -> None:
    job_id = await ask(live, worker, "command")
    fault = live.faults.add(Fault("POST", POST, 403, 50_001))
    worker.write(job_id)
    await live.until(lambda: not worker.waiting(), "the end of the job")
    await live.until(lambda: live.showing("Discord doesn't let me do that here"), "the reason")
    assert fault.times == 0
    assert not live.shown(TEXT)


@pytest.mark.parametrize("restarted", [False, True])
async def test_that_there_is_no_answer_after_an_outage_of_redis_is_told_once(
    live: Live, worker: StandIn, restarted: bool
) -> None:
    live.bot.settings.generate_timeout_s = 1
    job = generate_job(job_id="g-1", place=lab())
    with redis_away(live) as tried:
        if restarted:
            await live.core.jobs.submit(job)
            live.core.delivery.deliver_later(job)
            await live.until(lambda: tried, "the outage")
        else:
            await live.core.delivery.ask(job, live.bot.get_partial_messageable(LAB).send)
    await live.until(lambda: live.showing("not done in time"), "the reason")
    await live.until(lambda: not worker.waiting(), "the end of the job")
    assert len(live.shown("❌")) == 1
