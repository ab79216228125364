"""Answers through a Discord that takes them slowly, or asks for a pause: each once, and none sent to the line's end."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest
from structlog.testing import capture_logs

from bot.gateway import Pacing, each_request_within
from bot.jobs import delivery
from shared.settings import Settings
from tests.bot.live import Live
from tests.bot.stand_in import TEXT, StandIn
from tests.driver.faults import Fault

POST = r"/channels/\d+/messages"
MANY = 1_000_000


@pytest.fixture
def worker(live: Live, settings: Settings) -> StandIn:
    live.bot.settings.generate_cooldown_s = 0
    worker = StandIn(settings)
    worker.add_model()
    return worker


async def ask(live: Live, worker: StandIn, texts: int) -> list[str]:
    """Ask for texts, and return their jobs' ids."""
    for _ in range(texts):
        live.send("!generate the sea")
    await live.until(lambda: len(worker.waiting()) == texts, "all jobs")
    return sorted(worker.waiting())


async def test_a_pause_that_is_asked_for_is_one_for_all(live: Live, worker: StandIn) -> None:
    jobs = await ask(live, worker, 12)
    guard = live.faults.add(Fault("POST", POST, 429, times=MANY, retry_after=2.0, guard=True))
    for job_id in jobs:
        worker.write(job_id)
    await live.until(lambda: guard.times < MANY, "the first refusal")
    for channel in ("library", "tavern"):
        live.send("!help", channel=channel)
    # It opens before the bot may try again: whoever is refused later has not waited.
    asyncio.get_running_loop().call_later(1.5, live.faults.clear)
    await live.until(lambda: not worker.waiting(), "the end of all jobs")
    await live.handled()
    assert len(live.shown(TEXT)) == len(jobs)
    assert MANY - guard.times == 1
    assert not live.shown("❌")


async def test_a_guard_that_stays_is_asked_by_one_alone(live: Live, worker: StandIn) -> None:
    """Of three channels, in each of which somebody waits for words of the bot."""
    guard = live.faults.add(Fault("POST", POST, 429, times=MANY, retry_after=0.2, guard=True))
    with capture_logs() as logged:
        asked = [live.send("!help", channel=channel) for channel in ("lab", "library", "tavern")]

        def refused() -> int:
            return len([entry for entry in logged if entry["event"] == "discord_asks_for_a_pause"])

        await live.until(lambda: refused() >= 8, "eight refusals")
        live.faults.clear()
        await live.until(lambda: all(map(live.answer, asked)), "all answers")
    assert MANY - guard.times == refused()


async def test_waiting_in_line_is_not_waiting_for_discord(
    live: Live, worker: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One channel's posts go one after the other, and the last waits for longer than one of them may take."""
    monkeypatch.setattr(delivery, "POSTED_WITHIN_S", 2.0)
    jobs = await ask(live, worker, 30)
    live.faults.add(Fault("POST", POST, 200, times=MANY, wait_s=0.15))
    with capture_logs() as logged:
        for job_id in jobs:
            worker.write(job_id)
        await live.until(lambda: not worker.waiting(), "the end of all jobs")
    assert not {"answer_not_posted_yet", "answer_put_off"} & {entry["event"] for entry in logged}
    posted = [entry for entry in live.requests("POST") if entry.path.endswith("/messages")]
    assert len(posted) == len(live.shown(TEXT)) == len(jobs)


async def test_a_request_that_takes_too_long_is_given_up(live: Live) -> None:
    """And what is asked later is timed anew, or not at all."""
    live.faults.add(Fault("GET", "/users/@me", 200, times=1, wait_s=60))
    trace = aiohttp.TraceConfig()
    Pacing(trace)
    url = f"{live.world.cdn.base_url}/api/v10/users/@me"
    async with aiohttp.ClientSession(trace_configs=[trace], headers={"Authorization": "Bot x"}) as session:
        with pytest.raises(TimeoutError):
            async with each_request_within(0.2):
                await session.get(url)
        async with each_request_within(30):
            later = asyncio.create_task(session.get(url))
            assert (await session.get(url)).status == 200
        assert (await later).status == (await session.get(url)).status == 200


async def test_refusals_do_not_stand_in_the_way_of_answers(live: Live, worker: StandIn) -> None:
    (job_id,) = await ask(live, worker, 1)
    slow = live.faults.add(Fault("POST", POST, 200, times=MANY, wait_s=0.1))
    for _ in range(20):
        live.send("!frobnicate")
    await live.until(lambda: slow.times < MANY, "the first refusal")
    worker.write(job_id)
    await live.until(lambda: live.shown(TEXT), "the answer")
    assert len(live.shown("There is no command")) < 10
    await live.until(lambda: len(live.shown("There is no command")) == 20, "all refusals")
